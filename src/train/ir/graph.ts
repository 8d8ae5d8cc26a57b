/**
 * The ONNX graph as plain data: what onnx.proto's GraphProto holds, without the protobuf.
 * Names of values are unique within a graph (SSA); '' in a node's inputs or outputs means "left out".
 */

/** ONNX element types that fedrot handles (names as in onnx.proto's TensorProto.DataType, lower case). */
export type ElementType =
  | 'float'
  | 'double'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'uint4'
  | 'int4'
  | 'bool'
  | 'string';

/** Bytes of a tensor: raw little-endian in memory, or a range of a file beside the model (external data). */
export type TensorBytes =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly file: string; readonly offset: number; readonly length: number };

export interface TensorValue {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: TensorBytes;
}

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: TensorValue }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'graph'; readonly value: Graph };

export interface Node {
  readonly op: string;
  /** '' is the standard domain (ai.onnx). */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** What an exporter noted about the node (metadata_props); read, never written. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A number, or the name of a dimension known only at run time. */
export type Dim = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  /** An empty name is a dimension that is unknown and not named. */
  readonly dims: readonly Dim[];
  /** True where not even the number of dimensions is stated; `dims` is then empty. */
  readonly unknownRank?: boolean;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, TensorValue>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export interface Model {
  readonly graph: Graph;
  /** Opset version by domain; '' is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly irVersion: number;
  /** Free metadata (metadata_props). */
  readonly metadata: Readonly<Record<string, string>>;
}
