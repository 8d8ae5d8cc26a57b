import { FedrotError } from '../../errors.js';
import type { AuditLog } from '../../evidence/audit.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { RunInput } from '../../rpc/gen/fedrot/v1/Run.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { RunActor } from '../coordinator/run-actor.js';
import { LOG_LEVELS, type LogLevel } from '../round/narrate.js';
import { audited } from './audited.js';
import { checkRange, cleanText } from './checks.js';
import type { Identity } from './identity.js';
import { runView } from './run-view.js';

const MAX_EVENTS = 1000;
const DEFAULT_EVENTS = 200;

export interface RunControlOptions {
  readonly coordinator: Coordinator;
  readonly identity: Identity;
  readonly audit?: AuditLog | undefined;
}

export type RunControl = Pick<
  AdminHandlers,
  'stopRun' | 'pauseRun' | 'resumeRun' | 'rollbackAdapter' | 'listEvents'
>;

/** The calls by which an operator steers a run, and reads what happened in it. */
export function createRunControl({ coordinator, identity, audit }: RunControlOptions): RunControl {
  const view = (runId: string): Promise<RunInput> => runView(coordinator, coordinator.run(runId));

  return {
    async stopRun({ runId, reason }, context) {
      const operator = identity.operator('operate', context);
      const text = cleanText(reason, 500) || 'stopped by an operator';
      const stop = async (): Promise<RunInput> => {
        const run = coordinator.run(runId);
        coordinator.logger.info({ run: runId, operator }, 'an operator stops a run');
        await run.send({ type: 'stop', reason: text });
        return view(runId);
      };
      return audited(audit, context, 'run.stop', stop, () => ({ object: runId, detail: text }));
    },

    async pauseRun({ runId, reason, hold }, context) {
      const operator = identity.operator('operate', context);
      const text = cleanText(reason, 500) || 'paused by an operator';
      const pause = async (): Promise<RunInput> => {
        const run = coordinator.run(runId);
        coordinator.logger.info({ run: runId, operator, hold }, 'an operator pauses a run');
        refuse(await run.send({ type: 'pause', reason: text, hold }));
        return view(runId);
      };
      return audited(audit, context, 'run.pause', pause, () => ({ object: runId, detail: text }));
    },

    async resumeRun({ runId }, context) {
      const operator = identity.operator('operate', context);
      const resume = async (): Promise<RunInput> => {
        const run = coordinator.run(runId);
        coordinator.logger.info({ run: runId, operator }, 'an operator resumes a run');
        refuse(await run.send({ type: 'resume' }));
        return view(runId);
      };
      return audited(audit, context, 'run.resume', resume, () => ({ object: runId }));
    },

    async rollbackAdapter({ runId, version, reason }, context) {
      const operator = identity.operator('operate', context);
      coordinator.refuseWhileDraining();
      const text = cleanText(reason, 500) || 'rolled back by an operator';
      const rollback = async (): Promise<RunInput> => {
        const run = coordinator.run(runId);
        coordinator.logger.info({ run: runId, operator, version }, 'an operator rolls an adapter back');
        requireNoMerges(run);
        const { state } = run;
        refuse(await run.send({ type: 'rollback', version, reason: text }));
        for await (const _change of coordinator.changes.watch(runId, context.signal))
          if (run.state.rollback === null) break;
        if (run.state.version <= state.version)
          throw new FedrotError(
            run.state.rollback === null ? 'storage_corrupt' : 'unavailable',
            `version ${version} of run ${runId} has not been published again; the run's log says more`,
          );
        return view(runId);
      };
      return audited(audit, context, 'adapter.rollback', rollback, (done) => ({
        object: runId,
        detail: `version ${version}${done === undefined ? '' : ` as version ${done.version}`}: ${text}`,
      }));
    },

    async listEvents({ runId, afterSeq, limit, minLevel }, context) {
      identity.operator('view', context);
      const run = coordinator.run(runId);
      const wanted = limit === 0 ? DEFAULT_EVENTS : checkRange(limit, 'limit', 1, MAX_EVENTS);
      const events = await coordinator.store.log(run.runId, {
        afterSeq,
        limit: wanted + 1,
        levels: LOG_LEVELS.slice(LOG_LEVELS.indexOf(levelOf(minLevel))),
      });
      return { events: events.slice(0, wanted), more: events.length > wanted };
    },
  };
}

function refuse({
  refusal,
}: {
  readonly refusal?: { readonly code: FedrotError['code']; readonly message: string };
}): void {
  if (refusal) throw new FedrotError(refusal.code, refusal.message);
}

/** What silos have merged into their base cannot be taken out again by publishing other factors. */
function requireNoMerges({ runId, spec, adapters }: RunActor): void {
  if (![...adapters.values()].some(({ merge }) => merge !== undefined)) return;
  throw new FedrotError(
    'precondition_failed',
    `silos of run ${runId} merge every version into their base (${spec.aggregation.method}): there is no way back; create a run that starts from the version you want`,
  );
}

function levelOf(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === (text || 'info'));
  if (level !== undefined) return level;
  throw new FedrotError(
    'option_invalid',
    `min_level ${JSON.stringify(text.slice(0, 20))}: must be info, warn or error`,
  );
}
