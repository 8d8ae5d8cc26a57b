import { z } from 'zod';
import type { RunSeries } from '../../api/rounds.js';
import type {
  BundleView,
  MethodView,
  RunCheck,
  RunDetail,
  RunLog,
  RunLogEntry,
  RunSummary,
} from '../../api/types.js';
import type { RunLogEntryInput } from '../../rpc/gen/fedrot/v1/RunLogEntry.js';
import { METHODS } from '../../align/methods.js';
import { FedrotError } from '../../errors.js';
import { parseRunSpec } from '../../run-spec.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { ModelTools } from '../model-tools.js';
import type { BundleShelf } from './bundles.js';
import type { Route } from './route.js';
import { roundDetail, type RunSeriesCache } from './run-series.js';
import { checkRun, createRunRequests, initialTensors } from './start-run.js';
import { summaryOf, tasksOf } from './views.js';

export interface RunRoutesOptions {
  readonly coordinator: Coordinator;
  readonly handlers: AdminHandlers;
  readonly series: RunSeriesCache;
  readonly shelf: BundleShelf;
  readonly models?: ModelTools | undefined;
}

const createSchema = z.strictObject({
  spec: z.record(z.string(), z.unknown()),
  initial: z.strictObject({ run: z.string().max(100), version: z.int().min(0) }).optional(),
});
const reason = z.string().max(500).default('');
const reasonSchema = z.strictObject({ reason });
const pauseSchema = z.strictObject({ reason, hold: z.boolean().default(false) });
const rollbackSchema = z.strictObject({ version: z.int().min(0), reason });

/** Runs, their rounds, and what they can be started from. */
export function runRoutes(options: RunRoutesOptions): readonly Route[] {
  const { coordinator, handlers, series, shelf, models } = options;
  const summary = (runId: string): RunSummary => summaryOf(coordinator.run(runId));

  return [
    {
      method: 'GET',
      path: '/runs',
      as: 'ListRuns',
      about: 'every run, newest last: RunSummary[]',
      handle: async (): Promise<readonly RunSummary[]> => coordinator.runs().map(summaryOf),
    },
    {
      method: 'POST',
      path: '/runs',
      as: 'CreateRun',
      about: 'creates a run from { spec, initial? }: RunSummary',
      handle: async ({ body, call }) => {
        const { spec: value, initial } = await body(createSchema);
        const spec = parseRunSpec(value);
        const tensors = await initialTensors(coordinator, models, spec, initial);
        const requests = (async function* () {
          yield* createRunRequests(spec, tensors);
        })();
        const { runId = '' } = await handlers.createRun(requests, call);
        return summary(runId);
      },
    },
    {
      method: 'POST',
      path: '/runs/check',
      as: 'CreateRun',
      about: 'looks at { spec, initial? } without creating anything: RunCheck',
      handle: async ({ body }): Promise<RunCheck> => {
        const { spec, initial } = await body(createSchema);
        return checkRun(coordinator, models, spec, initial);
      },
    },
    {
      method: 'GET',
      path: '/runs/:run',
      as: 'GetRun',
      about: 'a run, its specification and the silos of the open round: RunDetail',
      handle: async ({ param }): Promise<RunDetail> => {
        const run = coordinator.run(param('run'));
        return { summary: summaryOf(run), spec: run.spec, tasks: tasksOf(coordinator, run) };
      },
    },
    {
      method: 'GET',
      path: '/runs/:run/series',
      as: 'GetRun',
      about:
        'published rounds in numbers, and evaluations, for charts: RunSeries; `after`: rounds after this one',
      handle: async ({ param, number }): Promise<RunSeries> => {
        const { rounds, evaluations } = await series.read(
          coordinator.run(param('run')).runId,
          number('after', 0),
          -1,
        );
        return { rounds, evaluations };
      },
    },
    {
      method: 'GET',
      path: '/runs/:run/rounds/:round',
      as: 'GetRun',
      about:
        'a published round: updates, failures, errors by module, misalignment by module and silo: RoundDetail',
      handle: async ({ param, number }) => {
        const run = coordinator.run(param('run'));
        const found = await coordinator.store.round(run.runId, number('round'));
        if (found === undefined)
          throw new FedrotError('not_found', `run ${run.runId} has not published a round ${number('round')}`);
        return roundDetail(found, run.spec.rounds.staleness);
      },
    },
    {
      method: 'POST',
      path: '/runs/:run/stop',
      as: 'StopRun',
      about: 'ends a run for good, with { reason }: RunSummary',
      handle: async ({ param, body, call }) => {
        const { reason } = await body(reasonSchema);
        await handlers.stopRun({ runId: param('run'), reason }, call);
        return summary(param('run'));
      },
    },
    {
      method: 'POST',
      path: '/runs/:run/pause',
      as: 'PauseRun',
      about:
        'begins no new round until resumed, with { reason, hold }; `hold` stops the clock of the open one too: RunSummary',
      handle: async ({ param, body, call }) => {
        const { reason, hold } = await body(pauseSchema);
        await handlers.pauseRun({ runId: param('run'), reason, hold }, call);
        return summary(param('run'));
      },
    },
    {
      method: 'POST',
      path: '/runs/:run/resume',
      as: 'ResumeRun',
      about: 'goes on with a paused run; the body is {}: RunSummary',
      handle: async ({ param, body, call }) => {
        await body(z.strictObject({}));
        await handlers.resumeRun({ runId: param('run') }, call);
        return summary(param('run'));
      },
    },
    {
      method: 'POST',
      path: '/runs/:run/rollback',
      as: 'RollbackAdapter',
      about: 'publishes an old version again as the newest, with { version, reason }: RunSummary',
      handle: async ({ param, body, call }) => {
        const { version, reason } = await body(rollbackSchema);
        await handlers.rollbackAdapter({ runId: param('run'), version, reason }, call);
        return summary(param('run'));
      },
    },
    {
      method: 'GET',
      path: '/runs/:run/events',
      as: 'ListEvents',
      about:
        'what happened, oldest first: RunLog; `after`: entries after this one, `limit` (1 to 1,000), `level` (info, warn, error)',
      handle: async ({ param, number, context, call }): Promise<RunLog> => {
        const { events = [], more = false } = await handlers.listEvents(
          {
            runId: param('run'),
            afterSeq: number('after', 0),
            limit: number('limit', 200),
            minLevel: context.req.query('level') ?? '',
          },
          call,
        );
        return { events: events.map(logEntry), more };
      },
    },
    {
      method: 'GET',
      path: '/methods',
      as: 'ListRuns',
      about: 'aggregation methods that a run can name: MethodView[]',
      handle: async (): Promise<readonly MethodView[]> =>
        METHODS.map(({ name, source }) => ({ name, source })),
    },
    {
      method: 'GET',
      path: '/bundles',
      as: 'ListBundles',
      about: 'bundles that a run can be started with: BundleView[]',
      handle: async (): Promise<readonly BundleView[]> => shelf.list(),
    },
  ];
}

function logEntry({ seq, atMs, level, kind, round, silo, code, message }: RunLogEntryInput): RunLogEntry {
  return {
    seq: Number(seq ?? 0),
    atMs: Number(atMs ?? 0),
    level: level === 'warn' || level === 'error' ? level : 'info',
    kind: kind ?? '',
    round: round ?? 0,
    silo: silo ?? '',
    code: code ?? '',
    message: message ?? '',
  };
}
