import { FedrotError } from '../../errors.js';
import type { ElementType } from './graph.js';

/** onnx.proto, TensorProto.DataType. Types that fedrot does not handle (complex, float8, …) are absent. */
const CODE: Readonly<Record<ElementType, number>> = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
};

const TYPE = new Map<number, ElementType>(
  (Object.entries(CODE) as [ElementType, number][]).map(([type, code]) => [code, type]),
);

const BITS: Readonly<Record<Exclude<ElementType, 'string'>, number>> = {
  float: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  bool: 8,
  float16: 16,
  double: 64,
  uint32: 32,
  uint64: 64,
  bfloat16: 16,
  uint4: 4,
  int4: 4,
};

export function elementTypeCode(type: ElementType): number {
  return CODE[type];
}

/** Throws model_unsupported for a type that fedrot does not handle; `where` names the tensor. */
export function elementTypeOf(code: number, where: string): ElementType {
  const type = TYPE.get(code);
  if (type === undefined)
    throw new FedrotError(
      'model_unsupported',
      `${where}: ONNX element type ${code} is not supported; supported are ${[...TYPE.values()].join(', ')}`,
    );
  return type;
}

/** Bytes that `count` elements take as raw_data; 4-bit types pack two in a byte. */
export function byteLength(type: ElementType, count: number): number {
  if (type === 'string') throw new FedrotError('internal', 'string tensors have no fixed size');
  return Math.ceil((count * BITS[type]) / 8);
}

const FLOATING: ReadonlySet<ElementType> = new Set(['float', 'double', 'float16', 'bfloat16']);

/** True for types that a gradient can flow through. */
export function isFloating(type: ElementType): boolean {
  return FLOATING.has(type);
}
