import { openTensorFile } from '../../tensor/safetensors-file.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import type { AdapterRecord, Store } from '../store/store.js';
import { openRounds } from './open-rounds.js';
import { replay } from './replay.js';
import type { RunActor, RunActorOptions } from './run-actor.js';

/** A run as it was left. */
export interface LoadedRun {
  readonly run: Pick<
    RunActorOptions,
    'runId' | 'spec' | 'createdMs' | 'state' | 'seq' | 'logSeq' | 'undiagnosed'
  >;
  /** Every version, in order. */
  readonly adapters: readonly AdapterRecord[];
}

/** Every stored run, in order of creation. */
export async function loadRuns(store: Store): Promise<readonly LoadedRun[]> {
  const loaded: LoadedRun[] = [];
  for (const { runId, spec, createdMs, snapshot, events, seq, logSeq } of await store.runs()) {
    const state = replay({ snapshot, events });
    const undiagnosed = await store.undiagnosed(runId);
    loaded.push({
      run: { runId, spec, createdMs, state, seq, logSeq, undiagnosed },
      adapters: await store.adapters(runId),
    });
  }
  return loaded;
}

/** Names, shapes and dtypes of a run's adapter, from its initial version. */
export function tensorsOf(spool: TensorSpool, initial: AdapterRecord | undefined): readonly TensorInfo[] {
  const file = openTensorFile(spool.pathOf(initial?.sha256 ?? ''));
  try {
    return file.tensors;
  } finally {
    file.close();
  }
}

/** Removes what no record names and no open round may still need; resolves with the number of files. */
export async function collectGarbage(
  spool: TensorSpool,
  store: Store,
  runs: readonly RunActor[],
): Promise<number> {
  const open = new Map(runs.map((run) => [run.runId, openRounds(run.state)]));
  return spool.collectGarbage(await store.referencedFiles(), open);
}
