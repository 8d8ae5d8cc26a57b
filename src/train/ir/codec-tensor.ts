import { FedrotError } from '../../errors.js';
import { elementCount } from '../../tensor/dtype.js';
import { byteLength, elementTypeCode, elementTypeOf } from './element-type.js';
import type { ElementType, TensorBytes, TensorValue } from './graph.js';
import type { Int64, TensorProto } from './onnx-proto.js';
import { rawTensor } from './tensor-value.js';

/** onnx.proto, TensorProto.DataLocation. */
const EXTERNAL = 1;

function toNumber(value: Int64): number {
  return typeof value === 'number' ? value : value.toNumber();
}

function toBigInt(value: Int64, unsigned: boolean): bigint {
  if (typeof value === 'number') return BigInt(value);
  const bits = (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
  return unsigned ? bits : BigInt.asIntN(64, bits);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Which typed field holds which element type when raw_data is absent (comments of TensorProto in onnx.proto). */
function typedBytes(type: ElementType, proto: TensorProto): Uint8Array {
  const int32 = proto.int32Data ?? [];
  switch (type) {
    case 'float':
      return bytesOf(Float32Array.from(proto.floatData ?? []));
    case 'double':
      return bytesOf(Float64Array.from(proto.doubleData ?? []));
    case 'int64':
      return bytesOf(BigInt64Array.from(proto.int64Data ?? [], (value) => toBigInt(value, false)));
    case 'uint64':
      return bytesOf(BigUint64Array.from(proto.uint64Data ?? [], (value) => toBigInt(value, true)));
    case 'uint32':
      return bytesOf(Uint32Array.from(proto.uint64Data ?? [], toNumber));
    case 'int32':
      return bytesOf(Int32Array.from(int32));
    case 'int16':
      return bytesOf(Int16Array.from(int32));
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return bytesOf(Uint16Array.from(int32));
    case 'int8':
      return bytesOf(Int8Array.from(int32));
    case 'uint8':
    case 'bool':
    case 'uint4':
    case 'int4':
      return Uint8Array.from(int32);
    case 'string':
      return new Uint8Array();
  }
}

export function decodeTensor(proto: TensorProto): TensorValue {
  const where = `tensor ${proto.name ?? ''}`;
  const type = elementTypeOf(proto.dataType ?? 0, where);
  if (type === 'string')
    throw new FedrotError('model_unsupported', `${where}: string tensors are not supported`);
  const dims = (proto.dims ?? []).map(toNumber);
  if (proto.dataLocation === EXTERNAL)
    return { type, dims, data: externalBytes(proto, byteLength(type, elementCount(dims)), where) };
  const bytes =
    proto.rawData !== undefined && Object.hasOwn(proto, 'rawData') ? proto.rawData : typedBytes(type, proto);
  try {
    return rawTensor(type, dims, bytes);
  } catch (error) {
    throw new FedrotError('file_invalid', `${where}: ${(error as Error).message}`, { cause: error });
  }
}

/** docs/ExternalData.md of onnx: keys location, offset (default 0), length (default: to the end of the file). */
function externalBytes(proto: TensorProto, expected: number, where: string): TensorBytes {
  const entries = new Map((proto.externalData ?? []).map(({ key, value }) => [key, value]));
  const file = entries.get('location');
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? expected);
  if (file === undefined || !Number.isSafeInteger(offset) || offset < 0 || length !== expected)
    throw new FedrotError(
      'file_invalid',
      `${where}: its external data (location ${file ?? 'missing'}, offset ${offset}, length ${length}) do not fit its ${expected} bytes`,
    );
  if (file.startsWith('/') || file.split(/[\\/]/).includes('..'))
    throw new FedrotError(
      'file_invalid',
      `${where}: external data must lie beside the model, not at ${file}`,
    );
  return { kind: 'external', file, offset, length };
}

export function encodeTensor(value: TensorValue): TensorProto {
  if (value.type === 'string') throw new FedrotError('model_unsupported', 'string tensors are not supported');
  const head = { dims: [...value.dims], dataType: elementTypeCode(value.type) };
  const { data } = value;
  if (data.kind === 'inline') return { ...head, rawData: data.bytes };
  return {
    ...head,
    dataLocation: EXTERNAL,
    externalData: [
      { key: 'location', value: data.file },
      { key: 'offset', value: String(data.offset) },
      { key: 'length', value: String(data.length) },
    ],
  };
}
