import type { SiloInstructions } from '../../align/types.js';
import type { Bundle } from '../../model/bundle.js';
import { resolveLora } from '../../model/resolve-lora.js';
import type { LoraSpec } from '../../run-spec.js';
import type { SessionOptions, TrainSession } from '../../train/session-types.js';

export type OpenSession = (options: SessionOptions) => Promise<TrainSession>;

/** What a session is built for; opening one takes seconds, so it is kept while the next task wants the same. */
export interface SessionWish {
  readonly bundle: Bundle;
  readonly lora: LoraSpec;
  /** Undefined where nothing is trained: any session of the model and its LoRA settings will do. */
  readonly train?: SiloInstructions['train'];
}

export interface SessionResources {
  readonly threads?: number;
  readonly spinning?: boolean;
}

/** Keeps the last session open. One user at a time. */
export class SessionCache {
  #open:
    | { readonly model: string; readonly train: SiloInstructions['train']; readonly session: TrainSession }
    | undefined;

  constructor(
    private readonly openSession: OpenSession,
    private readonly resources: SessionResources,
  ) {}

  async get({ bundle, lora, train }: SessionWish): Promise<TrainSession> {
    const model = JSON.stringify([bundle.sha256, lora]);
    if (this.#open?.model === model && (train === undefined || this.#open.train === train))
      return this.#open.session;
    await this.close();
    const wanted = train ?? 'both';
    const session = await this.openSession({
      folder: bundle.folder,
      file: bundle.manifest.model.file,
      ...resolveLora(bundle, lora),
      train: wanted,
      loss: bundle.manifest.task.kind === 'text-regression' ? 'mean-squared-error' : 'cross-entropy',
      ...this.resources,
    });
    this.#open = { model, train: wanted, session };
    return session;
  }

  /** Ends the session, e.g. after a failure in it; the next get opens a new one. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.session.close();
  }
}
