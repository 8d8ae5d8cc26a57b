import { z } from 'zod';
import type { EvaluationPoint, RoundDetail, RoundPoint, RoundUpdate, RunSeries } from '../../api/rounds.js';
import type { StalenessSpec } from '../../staleness-spec.js';
import { stalenessScale } from '../round/staleness.js';
import type { EvaluationRecord, RoundHistory, RoundTotals, Store } from '../store/store.js';
import { finite } from './views.js';

const ratio = z.number().nullish().catch(null);

/** What charts need of RoundDiagnostics (src/align/types.ts); it was written by some version of fedrot, so nothing is taken for granted. */
const totalsSchema = z
  .object({
    aggregationError: ratio,
    aggregationErrorFedit: ratio,
    aggregationErrorBound: ratio,
    misalignment: ratio,
  })
  .catch({});

const modulesSchema = z
  .object({
    silos: z.array(z.string()),
    modules: z.array(
      z.object({
        module: z.string(),
        aggregationError: ratio,
        aggregationErrorFedit: ratio,
        aggregationErrorBound: ratio,
        silos: z.array(z.object({ misalignment: ratio })).catch([]),
      }),
    ),
  })
  .catch({ silos: [], modules: [] });

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
};

/** Rounds of runs as points of charts. They never change once they are diagnosed, so they are read and parsed once. */
export class RunSeriesCache {
  readonly #store: Store;
  readonly #runs = new Map<string, { points: RoundPoint[]; reading: Promise<void> }>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Rounds after `afterRound`, and evaluations that came after `afterMs`. */
  async read(runId: string, afterRound: number, afterMs: number): Promise<RunSeries & { lastMs: number }> {
    const known = this.#runs.get(runId) ?? { points: [], reading: Promise.resolve() };
    this.#runs.set(runId, known);
    let evaluations: readonly EvaluationRecord[] = [];
    // One after the other, so that no round is taken twice.
    known.reading = known.reading
      .catch(() => undefined)
      .then(async () => {
        const pending = known.points.findIndex(({ diagnosis }) => diagnosis === 'pending');
        if (pending >= 0) known.points.length = pending;
        const last = known.points.at(-1)?.round ?? 0;
        const fresh = await this.#store.series(runId, { afterRound: last, afterMs });
        for (const totals of fresh.rounds) known.points.push(roundPoint(totals));
        evaluations = fresh.evaluations;
      });
    await known.reading;
    return {
      rounds: known.points.filter(({ round }) => round > afterRound),
      evaluations: evaluations.map(evaluationPoint),
      lastMs: evaluations.reduce((last, { receivedMs }) => Math.max(last, receivedMs), afterMs),
    };
  }
}

function roundPoint(totals: RoundTotals): RoundPoint {
  const { round, startedMs, publishedMs, updates, failures, examples, bytes, trainLoss } = totals;
  const diagnostics = totalsSchema.parse(parse(totals.diagnosticsJson));
  return {
    round,
    startedMs,
    publishedMs,
    updates,
    failures,
    examples,
    bytes,
    trainLoss,
    diagnosis: totals.diagnosis,
    aggregationError: finite(diagnostics.aggregationError),
    aggregationErrorFedit: finite(diagnostics.aggregationErrorFedit),
    aggregationErrorBound: finite(diagnostics.aggregationErrorBound),
    misalignment: finite(diagnostics.misalignment),
    rollbackOf: totals.rollback?.version ?? null,
  };
}

function evaluationPoint({ version, silo, examples, loss, accuracy }: EvaluationRecord): EvaluationPoint {
  return { version, silo, examples, loss: finite(loss), accuracy: finite(accuracy) };
}

/** One round with its silos and modules; `spec`: how the run weighs the age of an update. */
export function roundDetail({ totals, updates, failures }: RoundHistory, spec: StalenessSpec): RoundDetail {
  const ageOf = (baseVersion: number): Pick<RoundUpdate, 'staleness' | 'stepWeight'> => {
    const staleness = totals.round - 1 - baseVersion;
    return { staleness, stepWeight: stalenessScale(spec, staleness) };
  };
  const { silos, modules } = modulesSchema.parse(parse(totals.diagnosticsJson));
  return {
    point: roundPoint(totals),
    silos,
    updates: updates.map(({ silo, examples, loss, steps, seconds, bytes, sha256, baseVersion }) => ({
      silo,
      examples,
      loss: finite(loss),
      steps,
      seconds,
      bytes,
      sha256,
      ...ageOf(baseVersion),
    })),
    failures: failures.map(({ silo, code, message, atMs }) => ({ silo, code, message, atMs })),
    modules: modules.map((entry) => ({
      module: entry.module,
      aggregationError: finite(entry.aggregationError),
      aggregationErrorFedit: finite(entry.aggregationErrorFedit),
      aggregationErrorBound: finite(entry.aggregationErrorBound),
      misalignment: silos.map((_, index) => rounded(entry.silos[index]?.misalignment)),
    })),
  };
}

/** Four digits are more than a colour shows. */
function rounded(value: number | null | undefined): number | null {
  const known = finite(value);
  return known === null ? null : Math.round(known * 1e4) / 1e4;
}
