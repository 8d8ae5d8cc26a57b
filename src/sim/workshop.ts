import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { FedrotError } from '../errors.js';
import type { DataPart } from '../client/data/data-set.js';
import { LocalTrainer } from '../client/training/local-trainer.js';
import { openBundle, type Bundle } from '../model/bundle.js';
import { initialAdapter } from '../model/initial-adapter.js';
import type { ActivationStore } from '../train/prefix/cache.js';
import type { PrefixSplit } from '../train/prefix/split.js';
import { ActivationFile, ActivationWriter, hasActivations } from './activation-file.js';
import { loadStudyData, type StudyData } from './data.js';
import type { Trial } from './grid.js';
import { Memo } from './memo.js';
import type { TrialResult } from './results.js';
import { runTrial } from './run-trial.js';
import { SessionPool } from './sessions.js';
import { trialSpec } from './trial-spec.js';
import type { WorkerSetup } from './worker-protocol.js';

interface OpenData {
  readonly data: StudyData;
  readonly bundle: Bundle;
  readonly maxTokens: number;
  readonly trainer: LocalTrainer;
}

/** What a worker keeps from trial to trial: data, bundles, sessions. One trial at a time. */
export class Workshop {
  readonly #setup: WorkerSetup;
  readonly #memo: Memo;
  readonly #pool = new SessionPool();
  readonly #open = new Map<string, Promise<OpenData>>();
  readonly #files = new Map<string, ActivationFile>();

  constructor(setup: WorkerSetup) {
    this.#setup = setup;
    this.#memo = new Memo(join(setup.cache, 'shared'));
  }

  async run(
    id: string,
    trial: Trial,
    onRound: (round: number) => void,
    signal?: AbortSignal,
  ): Promise<TrialResult> {
    const place = await this.#dataOf(trial.data);
    const scratch = join(this.#setup.cache, 'bases');
    return runTrial(id, trial, { ...place, memo: this.#memo, scratch, onRound, signal });
  }

  /**
   * Scores all examples once, in a fixed order, with a store that keeps what the frozen layers give: trials then read the very same
   * numbers, whichever comes first. Does nothing where that file is there, or where there is nothing to keep.
   */
  async prepare(trial: Trial, signal?: AbortSignal): Promise<void> {
    const { bundle, data, maxTokens } = await this.#dataOf(trial.data);
    const spec = trialSpec({ ...trial, batchSize: PREPARE_ROWS }, bundle, maxTokens);
    const opened: { writer?: ActivationWriter } = {};
    const pool = new SessionPool();
    const openStore = (split: PrefixSplit): ActivationStore => {
      const path = this.#path(bundle, data, split);
      return hasActivations(path) ? this.#file(path) : (opened.writer = new ActivationWriter(path));
    };
    const trainer = new LocalTrainer({ open: pool.opener('prepare', openStore), threads: 1 });
    const adapter = initialAdapter(bundle, spec.lora, 0);
    const { train, test } = data;
    const stoppable = signal === undefined ? {} : { signal };
    const score = (data: DataPart): Promise<unknown> =>
      trainer.evaluate({ bundle, spec, adapter, data, ...stoppable });
    try {
      // The first evaluation opens the session, and with it the store.
      await score({ ...test, examples: test.examples.slice(0, 1) });
      const { writer } = opened;
      if (writer === undefined) return;
      await score(test);
      await score(train);
      writer.finish();
      delete opened.writer;
    } finally {
      opened.writer?.abandon();
      await pool.close();
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #dataOf(name: string): Promise<OpenData> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const opening = this.#openData(name);
    this.#open.set(name, opening);
    return opening;
  }

  async #openData(name: string): Promise<OpenData> {
    const setup = this.#setup.data.find(({ spec }) => spec.name === name);
    if (setup === undefined) throw new FedrotError('internal', `the study has no data set ${name}`);
    const { spec, group, bundleFolder } = setup;
    const opened = await openBundle(bundleFolder, { verify: false });
    let tokenizer: ReturnType<Bundle['openTokenizer']> | undefined;
    const bundle: Bundle = { ...opened, openTokenizer: () => (tokenizer ??= opened.openTokenizer()) };
    const data = await loadStudyData(spec, group);
    const openStore = (split: PrefixSplit): ActivationStore => this.#file(this.#path(bundle, data, split));
    const trainer = new LocalTrainer({ open: this.#pool.opener(name, openStore), threads: 1 });
    return { data, bundle, maxTokens: spec.maxTokens, trainer };
  }

  #file(path: string): ActivationFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = new ActivationFile(path);
    this.#files.set(path, file);
    return file;
  }

  #path(bundle: Bundle, data: StudyData, { value, width }: PrefixSplit): string {
    const key = [bundle.sha256, data.sha256, value, width].join('\n');
    const name = createHash('sha256').update(key).digest('hex').slice(0, 32);
    return join(this.#setup.cache, 'activations', `${name}.f32`);
  }
}

/** Rows whose frozen layers are computed together. */
const PREPARE_ROWS = 32;
