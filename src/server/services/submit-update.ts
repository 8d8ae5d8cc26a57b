import { checkUpdate } from '../../align/expected-update.js';
import { instructions } from '../../align/methods.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import { child, parseContext } from '../../trace/tracing.js';
import type { CallContext } from '../../rpc/call-context.js';
import type { SubmitUpdateRequest } from '../../rpc/gen/fedrot/v1/SubmitUpdateRequest.js';
import type { SubmitUpdateResponseInput } from '../../rpc/gen/fedrot/v1/SubmitUpdateResponse.js';
import { whileWide } from '../../rpc/while-wide.js';
import type { UpdateBegin } from '../../rpc/gen/fedrot/v1/UpdateBegin.js';
import { payloadBytes } from '../../tensor/canonical.js';
import { fromManifest } from '../../tensor/manifest.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import { requireAdmitted } from '../coordinator/admission.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { RunActor } from '../coordinator/run-actor.js';
import { refuseUpdate, type UpdateClaim } from '../round/admit.js';
import type { UploadKey } from '../spool/tensor-spool.js';
import type { UpdateRecord } from '../store/store.js';
import { guardStream } from '../transfer/guard-stream.js';
import { leaveWhenIdle } from '../transfer/leave-when-idle.js';
import { hashOf, receiveBegin, receivePayload, type Part } from '../transfer/receive-payload.js';
import type { UploadAdmission } from '../transfer/upload-admission.js';
import type { UploadDesk } from '../transfer/upload-desk.js';
import { checkRange, informative } from './checks.js';
import type { SiloCaller } from './silo-caller.js';
import type { UploadQuotas } from './upload-quotas.js';

/** After these the upload may be continued; after anything else what has come is worthless. */
const CONTINUABLE = new Set([
  'stream_truncated',
  'cancelled',
  'unavailable',
  'storage_full',
  'storage_failed',
]);

interface Submission {
  readonly run: RunActor;
  readonly claim: UpdateClaim;
  readonly begin: UpdateBegin;
  readonly key: UploadKey;
  readonly tensors: readonly TensorInfo[];
  /** Serial of the certificate that the silo calls with. */
  readonly certificate: string | undefined;
}

/** SubmitUpdate: checked, durable, recorded, and only then acknowledged. */
export class SubmitUpdate {
  constructor(
    private readonly coordinator: Coordinator,
    private readonly caller: SiloCaller,
    private readonly desk: UploadDesk,
    private readonly quotas: UploadQuotas,
    private readonly admission: UploadAdmission,
  ) {}

  /** As #handle; where rounds are traced, as a span below the silo's task. */
  async handle(
    requests: AsyncIterable<SubmitUpdateRequest>,
    context: CallContext,
  ): Promise<SubmitUpdateResponseInput> {
    const { tracing, clock } = this.coordinator;
    const parent = context.metadata('traceparent');
    if (!tracing.enabled || parent === undefined || parseContext(parent) === undefined)
      return this.#handle(requests, context);
    const startMs = clock.now();
    const end = (error?: string): void => {
      tracing.record({
        name: 'SubmitUpdate',
        context: child(parent),
        parent,
        startMs,
        endMs: clock.now(),
        attributes: {
          'rpc.system': 'grpc',
          'rpc.service': 'fedrot.v1.SiloService',
          'rpc.method': 'SubmitUpdate',
        },
        ...(error !== undefined && { error }),
      });
    };
    try {
      const answer = await this.#handle(requests, context);
      end();
      return answer;
    } catch (thrown) {
      end(asFedrotError(thrown).code);
      throw thrown;
    }
  }

  async #handle(
    requests: AsyncIterable<SubmitUpdateRequest>,
    context: CallContext,
  ): Promise<SubmitUpdateResponseInput> {
    const { clock, config, metrics } = this.coordinator;
    this.coordinator.refuseWhileDraining();
    const takenOver = new AbortController();
    const guard = { clock, idleMs: config.streamIdleMs, signal: takenOver.signal };
    const messages = guardStream(requests, guard);
    const begin = await receiveBegin<SubmitUpdateRequest, UpdateBegin>(messages);
    const submission = this.#check(begin, context);
    const { run, claim, key } = submission;
    const known = await this.coordinator.store.update(run.runId, claim.round, claim.silo);
    if (known?.sha256 === key.sha256 && known.countedIn !== null) {
      metrics.updates.inc({ outcome: 'duplicate' });
      return { sha256: begin.sha256, alreadyKnown: true };
    }
    refuse(submission);
    this.coordinator.expectAggregation();
    await this.quotas.requireSpace(begin.manifest?.payloadBytes ?? 0);
    metrics.uploads.inc();
    try {
      await this.quotas.within(claim.silo, (count) =>
        this.desk.only(key, async (signal) => {
          signal.addEventListener('abort', () => {
            takenOver.abort(signal.reason);
          });
          await this.coordinator.spool.dropOtherPartials(key);
          const turn = this.admission.enter(AbortSignal.any([signal, context.signal]));
          const place = await this.coordinator.silos.whileWaiting(claim.silo, turn);
          const taken = leaveWhenIdle(messages, place, clock);
          await whileWide(context, () => this.#receive(submission, taken, count)).finally(() => {
            place.leave();
          });
        }),
      );
    } finally {
      metrics.uploads.dec();
    }
    metrics.updates.inc({ outcome: 'accepted' });
    return { sha256: begin.sha256, alreadyKnown: false };
  }

  #check(begin: UpdateBegin, context: CallContext): Submission {
    const { silo } = this.caller.require(begin.silo, context);
    const run = requireAdmitted(this.coordinator.run(begin.runId), silo);
    const { round, taskId, baseVersion } = begin;
    const key = { runId: run.runId, round, silo, sha256: hashOf(begin.sha256, 'the update') };
    checkRange(begin.examples, 'examples', 1, Number.MAX_SAFE_INTEGER);
    const tensors = fromManifest(begin.manifest);
    const { method, options } = run.spec.aggregation;
    checkUpdate(run.tensors, tensors, instructions(method, options, round), [run.spec.wireDType]);
    const { maxUpdateBytes } = this.coordinator.config.limits;
    const bytes = begin.manifest?.payloadBytes ?? 0;
    if (bytes > maxUpdateBytes)
      throw new FedrotError(
        'message_too_large',
        `the update has ${bytes} bytes; this coordinator takes at most ${maxUpdateBytes}`,
      );
    const certificate = context.caller?.serial;
    return { run, claim: { silo, round, taskId, baseVersion }, begin, key, tensors, certificate };
  }

  async #receive(
    submission: Submission,
    parts: AsyncIterable<Part>,
    count: (bytes: number) => void,
  ): Promise<void> {
    const { key, tensors, begin } = submission;
    const { spool, metrics } = this.coordinator;
    const upload = await this.desk.open(key, tensors, begin.offset);
    const payload = payloadBytes(tensors);
    try {
      const digest = await receivePayload(parts, async (offset, data) => {
        refuse(submission);
        const { length } = data;
        count(length);
        this.coordinator.silos.heard(submission.claim.silo);
        await upload.take(offset, data);
        metrics.bytesReceived.inc({ kind: 'update' }, length);
      });
      const { sha256, norm } = await upload.finish(digest);
      if (sha256 !== key.sha256)
        throw new FedrotError(
          'checksum_mismatch',
          `the update was announced as ${key.sha256}; what has come is ${sha256}`,
        );
      this.#checkNorm(norm);
      refuse(submission);
      await upload.publish(spool.pathOf(sha256));
      await spool.published(sha256);
    } catch (thrown) {
      const error = asTruncated(thrown);
      if (!CONTINUABLE.has(error.code)) {
        await upload.discard();
        throw error;
      }
      const kept = await upload.suspend();
      throw error.code === 'stream_truncated' ? continuable(error, kept, payload) : error;
    }
    await this.#record(submission, payload);
  }

  /** No silo may outweigh all others by the size of its numbers. */
  #checkNorm(norm: number): void {
    const { maxUpdateNorm } = this.coordinator.config.limits;
    if (!(norm <= maxUpdateNorm))
      throw new FedrotError(
        'tensor_not_finite',
        `the update's Euclidean norm is ${norm.toPrecision(4)}; this coordinator takes at most ${maxUpdateNorm}`,
      );
  }

  async #record(submission: Submission, bytes: number): Promise<void> {
    const { run, claim, begin, key } = submission;
    const { metrics: training, examples } = begin;
    const record: Omit<UpdateRecord, 'countedIn'> = {
      round: claim.round,
      silo: claim.silo,
      taskId: claim.taskId,
      baseVersion: claim.baseVersion,
      sha256: key.sha256,
      examples,
      bytes,
      loss: training?.loss ?? NaN,
      steps: informative(training?.steps ?? 0),
      seconds: informative(training?.seconds ?? 0),
      tokens: informative(training?.tokens ?? 0),
      receivedMs: this.coordinator.clock.now(),
    };
    const { certificate } = submission;
    const update = { sha256: key.sha256, examples, ...(certificate !== undefined && { certificate }) };
    const { refusal } = await run.send({ type: 'update', ...claim, update }, { updates: [record] });
    if (refusal) throw new FedrotError(refusal.code, refusal.message);
    this.coordinator.logger.info(
      { run: run.runId, round: claim.round, silo: claim.silo, bytes },
      'accepted an update',
    );
  }
}

function refuse({ run, claim }: Submission): void {
  const refusal = refuseUpdate(run.state, claim);
  if (refusal) throw new FedrotError(refusal.code, refusal.message);
}

/** A caller that left in the middle is a stream that stopped halfway. */
function asTruncated(thrown: unknown): FedrotError {
  const error =
    thrown instanceof FedrotError
      ? thrown
      : new FedrotError('internal', 'an upload failed', { cause: thrown });
  return error.code === 'cancelled'
    ? new FedrotError('stream_truncated', error.message, { cause: error })
    : error;
}

function continuable(error: FedrotError, kept: number, total: number): FedrotError {
  return new FedrotError(
    'stream_truncated',
    `${error.message}; ${kept} of ${total} bytes of the update have come and are kept: ask GetUploadStatus and continue there`,
    { cause: error },
  );
}
