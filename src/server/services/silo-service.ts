import { ERROR_CODES, FedrotError } from '../../errors.js';
import type { AuditLog } from '../../evidence/audit.js';
import { checkName } from '../../name.js';
import { commonProtocol, PROTOCOL, type ProtocolRange } from '../../rpc/protocol.js';
import type { SiloHandlers } from '../../rpc/services.js';
import type { RegisterRequest } from '../../rpc/gen/fedrot/v1/RegisterRequest.js';
import type { RegisterResponseInput } from '../../rpc/gen/fedrot/v1/RegisterResponse.js';
import type { SubmitEvaluationRequest } from '../../rpc/gen/fedrot/v1/SubmitEvaluationRequest.js';
import { requireAdmitted, requireBundleOf } from '../coordinator/admission.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { RunActor } from '../coordinator/run-actor.js';
import type { SiloRole } from '../coordinator/silo-registry.js';
import { assignedTasks } from '../round/tasks.js';
import type { EvaluationRecord } from '../store/store.js';
import { hashOf } from '../transfer/receive-payload.js';
import { sendFile } from '../transfer/send-stream.js';
import { SharedChunks } from '../transfer/shared-chunks.js';
import { UploadAdmission } from '../transfer/upload-admission.js';
import { UploadDesk, type OpenUpload } from '../transfer/upload-desk.js';
import { wellFormed } from '../access/refusals.js';
import { checkRange, cleanText } from './checks.js';
import { fetchAdapter } from './fetch-adapter.js';
import type { Identity } from './identity.js';
import { measureScores } from './measure-scores.js';
import { SiloCaller } from './silo-caller.js';
import { SubmitUpdate } from './submit-update.js';
import { UploadQuotas } from './upload-quotas.js';

const MAX_LABELS = 4096;
const MAX_METRICS = 64;
const PHASES = new Set(['fetching', 'preparing', 'training', 'uploading', 'evaluating']);
const ROLES: Readonly<Record<string, SiloRole>> = {
  SILO_ROLE_TRAINER: 'trainer',
  SILO_ROLE_EVALUATOR: 'evaluator',
};

export interface SiloServiceOptions {
  /** Default PROTOCOL. */
  readonly protocol?: ProtocolRange | undefined;
  readonly coordinator: Coordinator;
  readonly identity: Identity;
  readonly softwareVersion: string;
  /** Default: nothing is written down. */
  readonly audit?: AuditLog;
  /** Default: on the main thread. */
  readonly openThere?: OpenUpload;
}

/** A silo that fails with one of these has refused what it was given: the bundle, the run, or whoever sent them. */
const REFUSED_TASK: ReadonlySet<string> = new Set([
  'op_unsupported',
  'model_unsupported',
  'file_invalid',
  'checksum_mismatch',
  'unauthenticated',
  'permission_denied',
]);

/** The calls that a silo makes, as plain functions. */
export function createSiloService({
  coordinator,
  identity,
  softwareVersion,
  audit,
  protocol = PROTOCOL,
  openThere,
}: SiloServiceOptions): SiloHandlers {
  const { config, silos, bundles, metrics, clock } = coordinator;
  const caller = new SiloCaller(identity, silos);
  const desk = new UploadDesk(coordinator.spool, openThere);
  const quotas = new UploadQuotas(config.limits, clock, config.dataFolder);
  const admission = new UploadAdmission(config.limits.maxUploadsAtOnce);
  const submit = new SubmitUpdate(coordinator, caller, desk, quotas, admission);
  const shared = new SharedChunks();

  return {
    async register(request, context) {
      coordinator.refuseWhileDraining();
      const introduction = readIntroduction(request, caller.identify(request.silo, context), protocol);
      const sessionId = await silos.register(introduction);
      const { silo, role, protocol: agreed } = introduction;
      coordinator.logger.info(
        { silo, role, peer: context.peer, version: request.softwareVersion },
        'silo registered',
      );
      return {
        sessionId,
        protocol: agreed,
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        maxUpdateBytes: config.limits.maxUpdateBytes,
        chunkBytes: config.chunkBytes,
        softwareVersion,
      } satisfies RegisterResponseInput;
    },

    check(request, context) {
      return settled(() => ({
        serverTimeMs: clock.now(),
        softwareVersion,
        protocolMin: protocol.min,
        protocolMax: protocol.max,
        maxUpdateBytes: config.limits.maxUpdateBytes,
        connected: silos.get(caller.identify(request.silo, context))?.connected ?? false,
      }));
    },

    heartbeat(request, context) {
      return settled(() => {
        caller.require(request.silo, context);
        return { serverTimeMs: clock.now() };
      });
    },

    async *watchAssignments(request, context) {
      coordinator.refuseWhileDraining();
      const { silo } = caller.require(request.silo, context);
      yield* coordinator.watchAssignments(silo, context.signal);
    },

    async *fetchAdapter(request, context) {
      const { silo } = caller.requireSession(context);
      requireAdmitted(coordinator.run(request.runId), silo);
      yield* fetchAdapter(coordinator, request, 'silo', shared);
    },

    async *fetchBundleFile({ bundleSha256, file, offset }, context) {
      const { silo } = caller.requireSession(context);
      const found = await bundles.find(bundleSha256, file);
      requireBundleOf(coordinator.runs(), bundleSha256, silo);
      yield* sendFile(bundles.pathOf(bundleSha256, file), found, {
        offset,
        chunkBytes: config.chunkBytes,
        shared,
        onSent: (bytes) => {
          metrics.bytesSent.inc({ kind: 'bundle' }, bytes);
        },
      });
    },

    async getUploadStatus(request, context) {
      const { silo } = caller.require(request.silo, context);
      const { runId } = requireAdmitted(coordinator.run(request.runId), silo);
      const { round } = request;
      const key = { runId, round, silo, sha256: hashOf(request.sha256, 'the update') };
      const known = await coordinator.store.update(runId, round, silo);
      if (known?.sha256 === key.sha256 && known.countedIn !== null)
        return { durableBytes: known.bytes, accepted: true };
      await desk.interrupt(key);
      return { durableBytes: await desk.durableBytes(key), accepted: false };
    },

    submitUpdate: (requests, context) => submit.handle(requests, context),

    reportProgress(request, context) {
      return settled(() => {
        const { silo } = caller.require(request.silo, context);
        const run = runOfTask(coordinator, request.taskId, silo);
        const { taskId, step, totalSteps, loss } = request;
        const phase = PHASES.has(request.phase) ? request.phase : 'training';
        coordinator.progress.set(run.runId, silo, { taskId, phase, step, totalSteps, loss });
        coordinator.changes.notify(run.runId);
        return {};
      });
    },

    async reportFailure(request, context) {
      const { silo } = caller.require(request.silo, context);
      const run = requireAdmitted(coordinator.run(request.taskId.split('/')[0] ?? ''), silo);
      const code = (ERROR_CODES as readonly string[]).includes(request.code) ? request.code : 'internal';
      const message = cleanText(request.message, 2000);
      const { effects } = await run.send({
        type: 'task-failed',
        silo,
        taskId: request.taskId,
        code,
        message,
      });
      // Only of a task that was outstanding: nobody fills the log with others.
      const counted = effects.some((effect) => effect.type === 'failure' && effect.taskId === request.taskId);
      if (counted && REFUSED_TASK.has(code))
        await audit?.record({
          actor: `silo:${silo}`,
          action: 'task.refuse',
          object: cleanText(request.taskId, 200),
          outcome: 'refused',
          code,
          peer: context.peer,
          ...(context.caller && { certificate: context.caller.serial }),
          detail: wellFormed(message),
        });
      return {};
    },

    async submitEvaluation(request, context) {
      const { silo } = caller.require(request.silo, context);
      const run = requireAdmitted(coordinator.run(request.runId), silo);
      const record = readEvaluation(request, silo, clock.now());
      const { taskId, version } = request;
      const isAsked = run.state.evaluations.some(
        (task) => task.id === taskId && task.silo === silo && task.version === version,
      );
      if (!isAsked) {
        const known = await coordinator.store.evaluations(run.runId, version);
        if (known.some((entry) => entry.silo === silo)) return {};
        throw new FedrotError(
          'not_assigned',
          `silo ${silo} is not asked (any more) to score version ${version} of run ${run.runId}`,
        );
      }
      const { examples, loss, accuracy } = record;
      const score = { examples, loss, accuracy };
      await run.send({ type: 'evaluated', silo, taskId, score }, { evaluations: [record] });
      measureScores(metrics, run, await coordinator.store.evaluations(run.runId, version));
      return {};
    },
  };
}

/** A synchronous handler as an asynchronous one: what it throws becomes a rejection. */
async function settled<T>(work: () => T): Promise<T> {
  return Promise.resolve(work());
}

function readIntroduction(request: RegisterRequest, silo: string, ours: ProtocolRange) {
  const role = ROLES[request.role];
  if (role === undefined)
    throw new FedrotError('option_invalid', `silo ${silo}: role must be trainer or evaluator`);
  const theirs = { min: request.protocolMin, max: request.protocolMax };
  const protocol = commonProtocol(ours, theirs);
  if (protocol === undefined)
    throw new FedrotError(
      'protocol_version',
      `silo ${silo} speaks protocol ${request.protocolMin} to ${request.protocolMax}, this coordinator ${ours.min} to ${ours.max}: update the older of the two`,
    );
  if (request.labels.length > MAX_LABELS)
    throw new FedrotError(
      'option_invalid',
      `silo ${silo}: ${request.labels.length} labels; at most ${MAX_LABELS} may be sent`,
    );
  return {
    silo,
    role,
    protocol,
    softwareVersion: cleanText(request.softwareVersion, 64),
    examples: request.examples,
    labels: request.labels.map((label) => cleanText(label, 256)),
  };
}

/** The run of a task that is outstanding for the silo. Throws run_unknown, permission_denied, not_assigned. */
function runOfTask(coordinator: Coordinator, taskId: string, silo: string): RunActor {
  const run = requireAdmitted(coordinator.run(taskId.split('/')[0] ?? ''), silo);
  const tasks = [...assignedTasks(run.state), ...run.state.evaluations];
  if (!tasks.some((task) => task.id === taskId && task.silo === silo))
    throw new FedrotError('not_assigned', `task ${taskId} of silo ${silo} is not outstanding (any more)`);
  return run;
}

function readEvaluation(
  request: SubmitEvaluationRequest,
  silo: string,
  receivedMs: number,
): EvaluationRecord {
  const { version, examples, loss, accuracy } = request;
  checkRange(examples, 'examples', 1, Number.MAX_SAFE_INTEGER);
  checkRange(loss, 'loss', 0, Number.MAX_VALUE);
  if (!Number.isNaN(accuracy)) checkRange(accuracy, 'accuracy', 0, 1);
  const metrics = Object.entries(request.metrics);
  if (metrics.length > MAX_METRICS)
    throw new FedrotError(
      'option_invalid',
      `${metrics.length} further metrics; at most ${MAX_METRICS} may be sent`,
    );
  for (const [name, value] of metrics)
    checkRange(value, `metric ${checkName(name, 'metric')}`, -1e300, 1e300);
  return {
    silo,
    version,
    examples,
    loss,
    accuracy: Number.isNaN(accuracy) ? null : accuracy,
    metrics: Object.fromEntries(metrics),
    receivedMs,
  };
}
