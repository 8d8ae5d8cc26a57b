import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { accuracyOf, viewRounds } from '../run/run-view.js';
import type { DemoSilo } from './prepare.js';

/** summary.json. Losses and accuracies are those of the held-out test set; errors are relative to the exact mean product. */
export interface DemoSummary {
  readonly run: string;
  readonly method: string;
  readonly rank: number;
  readonly seed: number;
  /** Of the checkpoint's weight file, as npm delivers it. */
  readonly base_model_sha256: string;
  readonly silos: readonly { readonly name: string; readonly examples: number }[];
  readonly initial_accuracy: number | null;
  readonly final_accuracy: number | null;
  /** Of adapter/adapter_model.safetensors. */
  readonly adapter_sha256: string;
  readonly rounds: readonly {
    readonly round: number;
    readonly accuracy: number | null;
    readonly loss: number | null;
    /** From the assignment of the round to its published adapter. */
    readonly seconds: number;
    readonly updates: number;
    readonly bytes_received: number;
    readonly aggregation_error: number | null;
    readonly aggregation_error_fedit: number | null;
  }[];
}

export interface SummaryParts {
  readonly run: Run;
  readonly method: string;
  readonly rank: number;
  readonly seed: number;
  readonly baseModelSha256: string;
  readonly silos: readonly DemoSilo[];
  readonly adapterSha256: string;
}

export function summarize(parts: SummaryParts): DemoSummary {
  const { run, method, rank, seed } = parts;
  const rounds = viewRounds(run);
  return {
    run: run.runId,
    method,
    rank,
    seed,
    base_model_sha256: parts.baseModelSha256,
    silos: parts.silos.map(({ name, examples }) => ({ name, examples })),
    initial_accuracy: accuracyOf(run, 0),
    final_accuracy: rounds.at(-1)?.accuracy ?? null,
    adapter_sha256: parts.adapterSha256,
    rounds: rounds.map((view) => ({
      round: view.round,
      accuracy: view.accuracy,
      loss: view.loss,
      seconds: view.seconds,
      updates: view.updates,
      bytes_received: view.bytesReceived,
      aggregation_error: view.aggregationError,
      aggregation_error_fedit: view.aggregationErrorFedit,
    })),
  };
}
