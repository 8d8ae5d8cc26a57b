import { dirname } from 'node:path';
import type { RunCheck, RunEstimate } from '../../api/types.js';
import { MANIFEST_FILE } from '../../bundle-names.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import type { CreateRunRequest } from '../../rpc/gen/fedrot/v1/CreateRunRequest.js';
import { runSpecSchema, type RunSpec } from '../../run-spec.js';
import { BYTES_PER_ELEMENT } from '../../tensor/dtype.js';
import { canonicalHeader, canonicalOrder } from '../../tensor/canonical.js';
import { encodeTensorFile, tensorInfos } from '../../tensor/encode-file.js';
import { toManifest } from '../../tensor/manifest.js';
import { readTensors } from '../../tensor/read-tensors.js';
import { openTensorFile } from '../../tensor/safetensors-file.js';
import type { NamedTensor } from '../../tensor/tensor.js';
import { publishedAdapter } from '../coordinator/assignments.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { ModelTools } from '../model-tools.js';

/** Where version 0 comes from: drawn anew by the seed, or the factors of a version that another run has published. */
export interface InitialFrom {
  readonly run: string;
  readonly version: number;
}

const CHUNK_BYTES = 1024 * 1024;

/** Version 0 for the specification. Throws precondition_failed, option_invalid, not_found. */
export async function initialTensors(
  coordinator: Coordinator,
  models: ModelTools | undefined,
  spec: RunSpec,
  from?: InitialFrom,
): Promise<readonly NamedTensor[]> {
  if (models === undefined)
    throw new FedrotError(
      'precondition_failed',
      'this coordinator was started without what reads models; create the run with: fedrot run create',
    );
  if (!(await coordinator.bundles.isComplete(spec.bundle)))
    throw new FedrotError(
      'precondition_failed',
      `bundle ${spec.bundle} is not on the coordinator: push it first (fedrot bundle push)`,
    );
  const folder = dirname(coordinator.bundles.pathOf(spec.bundle, MANIFEST_FILE));
  const fresh = await models.initialAdapter(folder, spec);
  return from === undefined ? fresh : continued(coordinator, fresh, from);
}

/** The numbers of a published version, where it has exactly the tensors that the run needs. */
function continued(
  coordinator: Coordinator,
  fresh: readonly NamedTensor[],
  { run, version }: InitialFrom,
): readonly NamedTensor[] {
  const { sha256 } = publishedAdapter(coordinator.run(run), version);
  const file = openTensorFile(coordinator.spool.pathOf(sha256));
  try {
    const shapes = (tensors: readonly Pick<NamedTensor, 'name' | 'shape'>[]): string =>
      JSON.stringify(tensors.map(({ name, shape }) => [name, shape]));
    if (shapes(file.tensors) !== shapes(canonicalOrder(fresh)))
      throw new FedrotError(
        'option_invalid',
        `version ${version} of run ${run} has other tensors than this specification: take the same bundle, rank, targetModules and modulesToSave`,
      );
    return readTensors(file);
  } finally {
    file.close();
  }
}

/** The messages of CreateRun, as an operator's command line would send them. */
export function* createRunRequests(
  spec: RunSpec,
  tensors: readonly NamedTensor[],
): Generator<CreateRunRequest> {
  const infos = tensorInfos(tensors);
  const { bytes, sha256 } = encodeTensorFile(tensors);
  const hash = Buffer.from(sha256, 'hex');
  const payload = bytes.subarray(canonicalHeader(infos).length);
  const manifest = toManifest(infos);
  yield {
    part: 'begin',
    begin: { specJson: JSON.stringify(spec), manifest, runId: '', sha256: hash },
  };
  for (let offset = 0; offset < payload.length; offset += CHUNK_BYTES) {
    const data = Buffer.from(payload.subarray(offset, offset + CHUNK_BYTES));
    yield { part: 'chunk', chunk: { offset, data } };
  }
  yield { part: 'digest', digest: { sha256: hash } };
}

/** Looks at a specification as CreateRun would, and says what a round will move. Never throws for what is wrong with it. */
export async function checkRun(
  coordinator: Coordinator,
  models: ModelTools | undefined,
  value: unknown,
  from?: InitialFrom,
): Promise<RunCheck> {
  const parsed = runSpecSchema.safeParse(value);
  if (!parsed.success)
    return {
      issues: parsed.error.issues.map((issue) => ({
        path: issue.path.map(String).join('.'),
        message: issue.message,
      })),
      spec: null,
      estimate: null,
      warnings: [],
    };
  const spec = parsed.data;
  try {
    const tensors = await initialTensors(coordinator, models, spec, from);
    return { issues: [], spec, estimate: estimateOf(spec, tensors), warnings: warningsOf(coordinator, spec) };
  } catch (thrown) {
    const { code, message } = asFedrotError(thrown);
    if (code === 'internal') throw thrown;
    const path =
      /^lora\.\w+|^aggregation\.\w+/.exec(message)?.[0] ?? (message.startsWith('bundle') ? 'bundle' : '');
    return { issues: [{ path, message }], spec, estimate: null, warnings: [] };
  }
}

function estimateOf({ wireDType }: RunSpec, tensors: readonly NamedTensor[]): RunEstimate {
  const parameters = tensors.reduce((sum, { data }) => sum + data.length, 0);
  return {
    modules: tensors.filter(({ name }) => name.endsWith('.lora_A.weight')).length,
    parameters,
    adapterBytes: parameters * BYTES_PER_ELEMENT.f32,
    uploadBytes: parameters * BYTES_PER_ELEMENT[wireDType],
    downloadBytes: parameters * BYTES_PER_ELEMENT.f32,
  };
}

function warningsOf(coordinator: Coordinator, spec: RunSpec): readonly string[] {
  const connected = coordinator.silos.connected();
  const trainers = connected.filter(({ role }) => role === 'trainer').length;
  const warnings: string[] = [];
  const { minSilos, deadlineMs } = spec.rounds;
  if (trainers < minSilos)
    warnings.push(
      `${trainers} of the ${minSilos} silos that a round needs ${trainers === 1 ? 'is' : 'are'} connected: the run will wait`,
    );
  if (spec.evaluation.every > 0 && !connected.some(({ role }) => role === 'evaluator'))
    warnings.push('no evaluator is connected: nothing will score the versions');
  if (deadlineMs < 60_000) warnings.push(`a round closes after ${deadlineMs / 1000} s, done or not`);
  return warnings;
}
