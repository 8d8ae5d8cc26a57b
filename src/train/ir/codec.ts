import { FedrotError } from '../../errors.js';
import { decodeTensor, encodeTensor } from './codec-tensor.js';
import { elementTypeCode, elementTypeOf } from './element-type.js';
import type { Attribute, Dim, Graph, Model, Node, TensorValue, ValueInfo } from './graph.js';
import {
  modelProto,
  type AttributeProto,
  type GraphProto,
  type Int64,
  type ModelProto,
  type NodeProto,
  type ValueInfoProto,
} from './onnx-proto.js';

/** onnx.proto, AttributeProto.AttributeType. */
const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

const text = new TextDecoder();
const utf8 = new TextEncoder();

function toNumber(value: Int64 | undefined): number {
  return value === undefined ? 0 : typeof value === 'number' ? value : value.toNumber();
}

/**
 * An ONNX model file as plain data. Bytes of tensors are views of `bytes`; external data stay references.
 * Throws file_invalid for what is no ONNX model, model_unsupported or op_unsupported for what the IR cannot hold
 * (model-local functions, sparse initializers, sequence or map types).
 */
export function decodeModel(bytes: Uint8Array): Model {
  let proto: ModelProto;
  try {
    proto = modelProto.decode(bytes) as unknown as ModelProto;
  } catch (error) {
    throw new FedrotError('file_invalid', `not an ONNX model: ${(error as Error).message}`, { cause: error });
  }
  if (!Object.hasOwn(proto, 'graph') || proto.graph === undefined)
    throw new FedrotError('file_invalid', 'not an ONNX model: it holds no graph');
  const called = proto.functions?.[0];
  if (called !== undefined)
    throw new FedrotError(
      'op_unsupported',
      `the model defines its own function ${called.domain ?? ''}::${called.name ?? ''}; export it with functions inlined`,
    );
  return {
    graph: decodeGraph(proto.graph),
    opsets: new Map(
      (proto.opsetImport ?? []).map(({ domain, version }) => [domainOf(domain), toNumber(version)]),
    ),
    irVersion: toNumber(proto.irVersion),
    metadata: Object.fromEntries((proto.metadataProps ?? []).map(({ key, value }) => [key, value])),
  };
}

/** `ai.onnx` is another spelling of the standard domain ''. */
function domainOf(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain;
}

function decodeGraph(proto: GraphProto): Graph {
  if ((proto.sparseInitializer ?? []).length > 0)
    throw new FedrotError(
      'model_unsupported',
      `graph ${proto.name ?? ''}: sparse initializers are not supported`,
    );
  const initializers = new Map<string, TensorValue>();
  for (const tensor of proto.initializer ?? []) initializers.set(tensor.name ?? '', decodeTensor(tensor));
  return {
    name: proto.name ?? '',
    nodes: (proto.node ?? []).map(decodeNode),
    initializers,
    // Before IR version 4 initializers had to be listed among the inputs as well.
    inputs: (proto.input ?? []).filter((input) => !initializers.has(input.name)).map(decodeValueInfo),
    outputs: (proto.output ?? []).map(decodeValueInfo),
  };
}

function decodeNode(proto: NodeProto): Node {
  const attributes: Record<string, Attribute> = {};
  for (const attribute of proto.attribute ?? [])
    attributes[attribute.name] = decodeAttribute(attribute, `${proto.opType} node ${proto.name ?? ''}`);
  return {
    op: proto.opType,
    domain: domainOf(proto.domain),
    name: proto.name ?? '',
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attributes,
    ...(proto.metadataProps === undefined || proto.metadataProps.length === 0
      ? {}
      : { metadata: Object.fromEntries(proto.metadataProps.map(({ key, value }) => [key, value])) }),
  };
}

/** The kind by `type`, or, where an old file leaves it out, by the field that is there. */
function attributeKind(proto: AttributeProto): number | undefined {
  if (proto.type !== undefined && proto.type !== 0) return proto.type;
  const has = (field: keyof AttributeProto): boolean => Object.hasOwn(proto, field);
  if (has('f')) return ATTRIBUTE_TYPE.float;
  if (has('i')) return ATTRIBUTE_TYPE.int;
  if (has('s')) return ATTRIBUTE_TYPE.string;
  if (has('t')) return ATTRIBUTE_TYPE.tensor;
  if (has('g')) return ATTRIBUTE_TYPE.graph;
  if (proto.floats?.length) return ATTRIBUTE_TYPE.floats;
  if (proto.ints?.length) return ATTRIBUTE_TYPE.ints;
  if (proto.strings?.length) return ATTRIBUTE_TYPE.strings;
  return undefined;
}

function decodeAttribute(proto: AttributeProto, where: string): Attribute {
  switch (attributeKind(proto)) {
    case ATTRIBUTE_TYPE.float:
      return { kind: 'float', value: proto.f ?? 0 };
    case ATTRIBUTE_TYPE.int:
      return { kind: 'int', value: toNumber(proto.i) };
    case ATTRIBUTE_TYPE.string:
      return { kind: 'string', value: text.decode(proto.s ?? new Uint8Array()) };
    case ATTRIBUTE_TYPE.tensor:
      if (proto.t) return { kind: 'tensor', value: decodeTensor(proto.t) };
      break;
    case ATTRIBUTE_TYPE.graph:
      if (proto.g) return { kind: 'graph', value: decodeGraph(proto.g) };
      break;
    case ATTRIBUTE_TYPE.floats:
      return { kind: 'floats', value: proto.floats ?? [] };
    case ATTRIBUTE_TYPE.ints:
      return { kind: 'ints', value: (proto.ints ?? []).map(toNumber) };
    case ATTRIBUTE_TYPE.strings:
      return { kind: 'strings', value: (proto.strings ?? []).map((value) => text.decode(value)) };
    case undefined:
    default:
      break;
  }
  throw new FedrotError(
    'op_unsupported',
    `${where}: attribute ${proto.name} has a kind that is not supported`,
  );
}

function decodeValueInfo(proto: ValueInfoProto): ValueInfo {
  const tensor = proto.type?.tensorType;
  if (!tensor)
    throw new FedrotError(
      'model_unsupported',
      `value ${proto.name}: only tensors are supported, and its type is none`,
    );
  const dims = (tensor.shape?.dim ?? []).map((dim): Dim =>
    Object.hasOwn(dim, 'dimValue') ? toNumber(dim.dimValue) : (dim.dimParam ?? ''),
  );
  const info = { name: proto.name, type: elementTypeOf(tensor.elemType ?? 0, `value ${proto.name}`), dims };
  return tensor.shape ? info : { ...info, unknownRank: true };
}

/** The model as an ONNX file. Tensors with external data keep their references; see save.ts to write such files. */
export function encodeModel(model: Model): Uint8Array {
  return encodeWithProbes(model, []);
}

/**
 * As encodeModel, with further graph outputs that state no type: ONNX Runtime infers type and shape itself
 * and reports them as the session's outputMetadata.
 */
export function encodeWithProbes(model: Model, probes: readonly string[]): Uint8Array {
  const graph = encodeGraph(model.graph);
  const proto: ModelProto = {
    irVersion: model.irVersion,
    producerName: 'fedrot',
    graph: { ...graph, output: [...(graph.output ?? []), ...probes.map((name) => ({ name }))] },
    opsetImport: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
  };
  // encode() reads properties; messages need not be instances of a class.
  return modelProto.encode({ ...proto }).finish();
}

function encodeGraph(graph: Graph): GraphProto {
  return {
    name: graph.name,
    node: graph.nodes.map(encodeNode),
    initializer: Array.from(graph.initializers, ([name, value]) => ({ ...encodeTensor(value), name })),
    input: graph.inputs.map(encodeValueInfo),
    output: graph.outputs.map(encodeValueInfo),
  };
}

function encodeNode(node: Node): NodeProto {
  return {
    opType: node.op,
    domain: node.domain,
    name: node.name,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, attribute]) => encodeAttribute(name, attribute)),
  };
}

function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  const type = ATTRIBUTE_TYPE[attribute.kind];
  switch (attribute.kind) {
    case 'float':
      return { name, type, f: attribute.value };
    case 'int':
      return { name, type, i: attribute.value };
    case 'string':
      return { name, type, s: utf8.encode(attribute.value) };
    case 'tensor':
      return { name, type, t: encodeTensor(attribute.value) };
    case 'graph':
      return { name, type, g: encodeGraph(attribute.value) };
    case 'floats':
      return { name, type, floats: [...attribute.value] };
    case 'ints':
      return { name, type, ints: [...attribute.value] };
    case 'strings':
      return { name, type, strings: attribute.value.map((value) => utf8.encode(value)) };
  }
}

function encodeValueInfo(info: ValueInfo): ValueInfoProto {
  const elemType = elementTypeCode(info.type);
  if (info.unknownRank) return { name: info.name, type: { tensorType: { elemType } } };
  const dim = info.dims.map((value) =>
    typeof value === 'number' ? { dimValue: value } : value === '' ? {} : { dimParam: value },
  );
  return { name: info.name, type: { tensorType: { elemType, shape: { dim } } } };
}
