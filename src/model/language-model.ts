import { FedrotError } from '../errors.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { freeDense } from '../train/dense.js';
import { int } from '../train/ir/attributes.js';
import { GraphBuilder } from '../train/ir/builder.js';
import { encodeModel } from '../train/ir/codec.js';
import type { Model } from '../train/ir/graph.js';
import { pruneTo } from '../train/ir/prune.js';
import { int64Tensor } from '../train/ir/tensor-value.js';
import { injectLora } from '../train/lora.js';
import { openRuntime, type RuntimeTensor } from '../train/ort.js';
import { matchNames, sessionParameters, toGraph } from '../train/parameters.js';
import { readForTraining } from '../train/read-model.js';
import { makeInputs } from './batch.js';
import type { Bundle } from './bundle.js';
import { resolveLora, type LoraTargets } from './resolve-lora.js';

/** An adapter: its settings, and its tensors with PEFT's names. */
export interface AdapterInput {
  readonly settings: LoraTargets;
  readonly tensors: readonly NamedTensor[];
}

/** A bundle's language model, with or without an adapter, ready to score the next token. */
export interface LanguageModel {
  readonly bundle: Bundle;
  /** Scores of the token that follows these, one a token of the vocabulary. Blocks its thread. */
  next(ids: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
}

const NEXT = 'fedrot/next';

/** The scores at the last position only: copying those of every position would cost more than many a small model. */
function nextTokenGraph(model: Model, logits: string): Model {
  const builder = GraphBuilder.from(model, { outputs: [] });
  const last = builder.constant(int64Tensor([], [-1]));
  const next = builder.op('Gather', [logits, last], { axis: int(1) }, NEXT);
  builder.output(next, 'float', ['batch', '']);
  const built = builder.build();
  return pruneTo(built, built.graph.outputs);
}

/**
 * Opens a bundle for generation. There is no key/value cache: each token costs a pass over all tokens before it. Throws
 * precondition_failed for a bundle of another task, and as resolveLora and the model's files do.
 */
export async function openLanguageModel(
  bundle: Bundle,
  options: { readonly adapter?: AdapterInput | undefined; readonly threads?: number | undefined } = {},
): Promise<LanguageModel> {
  const { model: described, task, tokenizer } = bundle.manifest;
  if (task.kind !== 'causal-lm')
    throw new FedrotError(
      'precondition_failed',
      `the bundle was made for ${task.kind}; only a language model (causal-lm) can generate text`,
    );
  const { adapter, threads = 1 } = options;
  let model = await readForTraining(bundle.folder, described.file);
  const parameters: Record<string, RuntimeTensor> = {};
  if (adapter !== undefined) {
    const resolved = resolveLora(bundle, adapter.settings);
    model = injectLora(freeDense(model, resolved.dense), resolved.lora);
    const wanted = sessionParameters(resolved);
    const tensors = matchNames(wanted, adapter.tensors);
    wanted.forEach((parameter, i) => {
      const tensor = tensors[i];
      if (tensor === undefined) return;
      parameters[parameter.input] = { type: 'float', dims: parameter.dims, data: toGraph(parameter, tensor) };
    });
  }
  const graph = nextTokenGraph(model, described.output);
  const runtime = await openRuntime(encodeModel(graph), { folder: bundle.folder, threads });
  const used = new Set(graph.graph.inputs.map(({ name }) => name));
  const inputs = described.inputs.filter(({ name }) => used.has(name));
  return {
    bundle,
    async next(ids) {
      const rows = makeInputs([{ ids, typeIds: ids.map(() => 0) }], {
        inputs: inputs.map(({ name }) => name),
        padId: tokenizer.padId,
        multipleOf: 1,
      });
      const feeds: Record<string, RuntimeTensor> = { ...parameters };
      for (const { name, type } of inputs) {
        const { dims, data } = rows[name] ?? { dims: [], data: new BigInt64Array() };
        feeds[name] =
          type === 'int32'
            ? { type, dims, data: Int32Array.from(data, Number) }
            : { type: 'int64', dims, data };
      }
      const scores = (await runtime.run(feeds, [NEXT]))[NEXT]?.data;
      if (scores instanceof Float32Array) return scores;
      throw new FedrotError('model_unsupported', 'the model’s logits are not float32');
    },
    close: () => runtime.close(),
  };
}
