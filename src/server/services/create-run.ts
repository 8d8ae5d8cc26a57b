import { adapterLayout } from '../../align/layout.js';
import { checkAggregation, staleHandling } from '../../align/methods.js';
import { checkRobust } from '../../align/robust/plan.js';
import { FedrotError } from '../../errors.js';
import { checkName } from '../../name.js';
import type { CallContext } from '../../rpc/call-context.js';
import type { CreateRunBegin } from '../../rpc/gen/fedrot/v1/CreateRunBegin.js';
import type { CreateRunRequest } from '../../rpc/gen/fedrot/v1/CreateRunRequest.js';
import { parseRunSpec, type RunSpec } from '../../run-spec.js';
import { canonicalHeader } from '../../tensor/canonical.js';
import { fromManifest } from '../../tensor/manifest.js';
import { PayloadChecker } from '../../tensor/payload-checker.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { carries } from '../round/staleness.js';
import type { AdapterFile } from '../store/store.js';
import { guardStream } from '../transfer/guard-stream.js';
import { receiveBegin, receivePayload, type Part } from '../transfer/receive-payload.js';
import { announcedDigest, requireAnnounced } from './announced.js';

const MAX_SPEC_BYTES = 1024 * 1024;

/** CreateRun: specification and initial adapter are checked, stored, and the run begins. Resolves with its id. */
export async function createRun(
  coordinator: Coordinator,
  requests: AsyncIterable<CreateRunRequest>,
  context: CallContext,
): Promise<string> {
  coordinator.refuseWhileDraining();
  const { clock, config } = coordinator;
  const guard = { clock, idleMs: config.streamIdleMs, signal: new AbortController().signal };
  const messages = guardStream(requests, guard);
  const begin = await receiveBegin<CreateRunRequest, CreateRunBegin>(messages);
  const spec = await readSpec(coordinator, begin);
  if (begin.runId !== '') checkName(begin.runId, 'run');
  const known = coordinator.runs().find((run) => run.runId === begin.runId);
  if (known && JSON.stringify(known.spec) !== JSON.stringify(spec))
    throw new FedrotError(
      'already_exists',
      `there is already a run ${begin.runId} with another specification`,
    );
  const announced = announcedDigest(begin.sha256, context, 'the initial adapter');
  const initial = await receiveAdapter(
    coordinator,
    readTensors(coordinator, begin, spec),
    messages,
    announced,
  );
  if (known?.adapters.get(0)?.sha256 === initial.sha256) return known.runId;
  if (begin.runId !== '') return (await coordinator.createRun({ runId: begin.runId, spec, initial })).runId;
  return createNamed(coordinator, spec, initial);
}

async function readSpec(coordinator: Coordinator, begin: CreateRunBegin): Promise<RunSpec> {
  if (Buffer.byteLength(begin.specJson) > MAX_SPEC_BYTES)
    throw new FedrotError('config_invalid', `the run specification is larger than ${MAX_SPEC_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(begin.specJson);
  } catch (cause) {
    throw new FedrotError('config_invalid', 'the run specification is not JSON', { cause });
  }
  const spec = parseRunSpec(json);
  checkMethodOf(spec);
  const names = spec.silos.some((pattern) => pattern.includes('*')) ? Infinity : new Set(spec.silos).size;
  if (names < spec.rounds.minSilos)
    throw new FedrotError(
      'config_invalid',
      `run specification: silos: admits ${names} silos, and rounds.minSilos is ${spec.rounds.minSilos}`,
    );
  if (!(await coordinator.bundles.isComplete(spec.bundle)))
    throw new FedrotError(
      'precondition_failed',
      `bundle ${spec.bundle} is not on the coordinator: push it first (fedrot bundle push)`,
    );
  return spec;
}

/** Throws option_invalid or precondition_failed where the method does not go with what else the run asks for. */
function checkMethodOf({ aggregation, training, rounds }: RunSpec): void {
  const method = checkAggregation(aggregation);
  if (aggregation.robust) checkRobust(aggregation.robust, rounds.minSilos);
  if (carries({ rounds })) staleHandling(method);
  if (carries({ rounds }) && training.start !== undefined)
    throw new FedrotError(
      'option_invalid',
      'training.start: silos that begin from adapters of their own have no step from a published version, which rounds.late: carry and rounds.mode: async count',
    );
  const { train, share = 'both' } = method.instructions(1);
  if (training.start !== undefined && (train !== 'both' || share !== 'both'))
    throw new FedrotError(
      'option_invalid',
      `training.start: method ${method.name} needs a factor that all silos have in common, so they cannot begin from adapters of their own`,
    );
}

/** What version 0 holds decides what every update has to hold. */
function readTensors(coordinator: Coordinator, begin: CreateRunBegin, spec: RunSpec): readonly TensorInfo[] {
  const tensors = fromManifest(begin.manifest);
  const { maxUpdateBytes } = coordinator.config.limits;
  const bytes = begin.manifest?.payloadBytes ?? 0;
  if (bytes > maxUpdateBytes)
    throw new FedrotError(
      'message_too_large',
      `the initial adapter has ${bytes} bytes; this coordinator takes at most ${maxUpdateBytes}`,
    );
  const other = tensors.find((tensor) => tensor.dtype !== 'f32');
  if (other)
    throw new FedrotError(
      'tensor_dtype',
      `tensor ${other.name}: the initial adapter is f32, not ${other.dtype}`,
    );
  const { modules } = adapterLayout(tensors);
  if (modules.length === 0)
    throw new FedrotError('tensor_name', 'the initial adapter has no lora_A.weight and lora_B.weight at all');
  const odd = modules.find((module) => module.r !== spec.lora.rank);
  if (odd)
    throw new FedrotError(
      'tensor_shape',
      `module ${odd.module} of the initial adapter has rank ${odd.r}; the run specification says ${spec.lora.rank}`,
    );
  return tensors;
}

async function receiveAdapter(
  coordinator: Coordinator,
  tensors: readonly TensorInfo[],
  parts: AsyncIterable<Part>,
  announced: string | undefined,
): Promise<AdapterFile> {
  const { spool, metrics } = coordinator;
  const checker = new PayloadChecker(tensors);
  const file = await spool.createTemp();
  try {
    await file.append(canonicalHeader(tensors));
    const digest = await receivePayload(parts, async (offset, data) => {
      checker.push(offset, data);
      await file.append(data);
      metrics.bytesReceived.inc({ kind: 'adapter' }, data.length);
    });
    const sha256 = checker.finish(digest);
    requireAnnounced(announced, sha256, 'the initial adapter');
    await file.publish(spool.pathOf(sha256));
    return { sha256, bytes: file.bytes };
  } catch (thrown) {
    await file.discard();
    throw thrown;
  }
}

/** The first free of `name`, `name-2`, `name-3`, … */
async function createNamed(coordinator: Coordinator, spec: RunSpec, initial: AdapterFile): Promise<string> {
  const base = spec.name.slice(0, 55);
  for (let number = 1; ; number++) {
    const runId = number === 1 ? base : `${base}-${number}`;
    if (coordinator.runs().some((run) => run.runId === runId)) continue;
    try {
      return (await coordinator.createRun({ runId, spec, initial })).runId;
    } catch (thrown) {
      if (!(thrown instanceof FedrotError && thrown.code === 'already_exists')) throw thrown;
    }
  }
}
