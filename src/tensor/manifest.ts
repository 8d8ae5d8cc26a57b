import { FedrotError } from '../errors.js';
import { canonicalOrder, checkCanonical, payloadBytes } from './canonical.js';
import type { WireDType } from './dtype.js';
import type { TensorInfo } from './tensor.js';

/** fedrot.v1.DType by name and number (proto/fedrot/v1/tensor.proto). */
const PROTO_DTYPES = [
  { dtype: 'f32', name: 'DTYPE_F32', number: 1 },
  { dtype: 'f16', name: 'DTYPE_F16', number: 2 },
  { dtype: 'bf16', name: 'DTYPE_BF16', number: 3 },
] as const satisfies readonly { dtype: WireDType; name: string; number: number }[];

export type ProtoDType = (typeof PROTO_DTYPES)[number]['name'];

/** fedrot.v1.TensorManifest as this side writes it. */
export interface ProtoManifest {
  readonly tensors: { readonly name: string; readonly dtype: ProtoDType; readonly shape: number[] }[];
  readonly payloadBytes: number;
}

/** A 64-bit count however the decoder was set up: number, string, bigint or a Long. */
type Count = number | string | bigint | { toString(): string };

/** fedrot.v1.TensorManifest as it may arrive: any field may be missing. */
export interface ReceivedManifest {
  readonly tensors?:
    | readonly {
        readonly name?: string;
        readonly dtype?: string | number;
        readonly shape?: readonly Count[];
      }[]
    | null;
  readonly payloadBytes?: Count | null;
}

/** The manifest of tensors in any order. Throws as checkCanonical does. */
export function toManifest(tensors: readonly TensorInfo[]): ProtoManifest {
  const ordered = canonicalOrder(tensors);
  checkCanonical(ordered);
  return {
    tensors: ordered.map(({ name, dtype, shape }) => ({ name, dtype: protoName(dtype), shape: [...shape] })),
    payloadBytes: payloadBytes(ordered),
  };
}

function protoName(dtype: WireDType): ProtoDType {
  const row = PROTO_DTYPES.find((candidate) => candidate.dtype === dtype);
  if (!row) throw new FedrotError('tensor_dtype', `${dtype} has no name on the wire`);
  return row.name;
}

/**
 * A received manifest as tensor infos, checked by itself: canonical order, no name twice, limits, payload size. Throws
 * manifest_invalid, tensor_dtype or tensor_shape.
 */
export function fromManifest(manifest: ReceivedManifest | null | undefined): TensorInfo[] {
  if (!manifest) throw new FedrotError('manifest_invalid', 'the manifest is missing');
  const tensors = (manifest.tensors ?? []).map(({ name = '', dtype = 0, shape = [] }): TensorInfo => {
    const row = PROTO_DTYPES.find((candidate) => candidate.name === dtype || candidate.number === dtype);
    if (!row)
      throw new FedrotError(
        'tensor_dtype',
        `tensor ${name.slice(0, 512)}: dtype ${dtype} is not one of f32, f16, bf16`,
      );
    return { name, dtype: row.dtype, shape: shape.map((dim) => count(dim, `tensor ${name.slice(0, 512)}`)) };
  });
  checkCanonical(tensors);
  const declared = count(manifest.payloadBytes ?? 0, 'payload_bytes');
  const actual = payloadBytes(tensors);
  if (declared !== actual)
    throw new FedrotError(
      'manifest_invalid',
      `payload_bytes is ${declared}, but the tensors have ${actual} bytes`,
    );
  return tensors;
}

function count(value: Count, where: string): number {
  const number = typeof value === 'number' ? value : Number(value.toString());
  if (!Number.isSafeInteger(number) || number < 0)
    throw new FedrotError('tensor_shape', `${where}: ${String(value)} is not an integer from 0 to 2⁵³ − 1`);
  return number;
}

const format = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/**
 * Throws unless `got` has exactly the expected names and shapes and only allowed dtypes. Codes: tensor_name (one missing or one
 * too many), tensor_shape, tensor_dtype. Both lists in canonical order; the dtype of `expected` does not matter.
 */
export function checkManifest(
  expected: readonly TensorInfo[],
  got: readonly TensorInfo[],
  allowed: readonly WireDType[] = ['f32'],
): void {
  const wanted = new Map(expected.map((tensor) => [tensor.name, tensor]));
  const present = new Set(got.map((tensor) => tensor.name));
  for (const tensor of got) {
    const want = wanted.get(tensor.name);
    if (!want)
      throw new FedrotError(
        'tensor_name',
        `tensor ${tensor.name} is not part of this adapter, which has ${expected.length} tensors${nearest(expected, present)}`,
      );
    if (
      want.shape.length !== tensor.shape.length ||
      want.shape.some((dim, axis) => dim !== tensor.shape[axis])
    )
      throw new FedrotError(
        'tensor_shape',
        `tensor ${tensor.name}: expected shape ${format(want.shape)}, got ${format(tensor.shape)}`,
      );
    if (!allowed.includes(tensor.dtype))
      throw new FedrotError(
        'tensor_dtype',
        `tensor ${tensor.name}: expected ${allowed.join(' or ')}, got ${tensor.dtype}`,
      );
  }
  const missing = expected.find((tensor) => !present.has(tensor.name));
  if (missing)
    throw new FedrotError(
      'tensor_name',
      `tensor ${missing.name} is missing: expected ${expected.length} tensors, got ${got.length}`,
    );
}

/** Names the first expected tensor that did not come: likely the one that was meant. */
function nearest(expected: readonly TensorInfo[], present: ReadonlySet<string>): string {
  const missing = expected.find((tensor) => !present.has(tensor.name));
  return missing ? `; ${missing.name} is missing` : '';
}
