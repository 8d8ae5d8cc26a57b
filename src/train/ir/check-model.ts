import { PLAIN_FILE_NAME } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import type { Graph, Model, Node, TensorValue } from './graph.js';

/**
 * What a model may hold before anything of it is given to ONNX Runtime. Operators come from the standard domain and
 * com.microsoft, which the runtime brings along: a custom operator would need a library of code. Weights lie in plain files beside the model.
 */
const DOMAINS: ReadonlySet<string> = new Set(['', 'com.microsoft']);

/** Operators of those domains that load other files or run other programs (onnxruntime docs/ContribOperators.md). */
const REFUSED: ReadonlySet<string> = new Set(['com.microsoft::EPContext', 'com.microsoft::PyOp']);

/** Keys of the model's metadata by which it configures the runtime (ort_config) or a tool that loads plug-ins. */
const REFUSED_METADATA: ReadonlySet<string> = new Set(['ort_config']);

/** Deeper nesting of subgraphs than any exporter makes. */
const MAX_DEPTH = 16;

function refuse(message: string): FedrotError {
  return new FedrotError('op_unsupported', message);
}

function checkTensor({ data }: TensorValue, name: string): void {
  if (data.kind === 'external' && !PLAIN_FILE_NAME.test(data.file))
    throw new FedrotError(
      'model_unsupported',
      `tensor ${name}: its data lie at ${JSON.stringify(data.file.slice(0, 200))}; they must lie in a file beside the model`,
    );
}

function checkNode(node: Node, depth: number): void {
  const label = node.domain === '' ? node.op : `${node.domain}::${node.op}`;
  if (!DOMAINS.has(node.domain))
    throw refuse(
      `${label} node "${node.name}": operators of the domain ${node.domain} are not loaded; only those of ai.onnx and com.microsoft are`,
    );
  if (REFUSED.has(label)) throw refuse(`${label} node "${node.name}": this operator loads files of its own`);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    if (attribute.kind === 'tensor') checkTensor(attribute.value, `${label} ${name}`);
    if (attribute.kind === 'graph') checkGraph(attribute.value, depth + 1);
  }
}

function checkGraph(graph: Graph, depth: number): void {
  if (depth > MAX_DEPTH) throw refuse(`graph ${graph.name}: subgraphs are nested deeper than ${MAX_DEPTH}`);
  for (const [name, tensor] of graph.initializers) checkTensor(tensor, name);
  for (const node of graph.nodes) checkNode(node, depth);
}

/**
 * Throws op_unsupported or model_unsupported, naming the node or tensor. A domain that is listed but used by no node loads nothing: ONNX
 * Runtime writes such lists into the models that it optimizes.
 */
export function checkModel(model: Model): Model {
  const key = Object.keys(model.metadata).find((name) => REFUSED_METADATA.has(name));
  if (key !== undefined)
    throw refuse(`the model's metadata set ${key}: a model does not configure the runtime`);
  checkGraph(model.graph, 0);
  return model;
}
