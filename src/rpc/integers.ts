import { FedrotError } from '../errors.js';
import { reflectionPackage } from './protos.js';

/** The part of google.protobuf.FieldDescriptorProto that matters here. */
interface Field {
  readonly name: string;
  readonly type: string;
  readonly typeName: string;
}

/** One message type: its 64-bit integers, and the messages in it that have some. */
interface Checked {
  readonly integers: readonly string[];
  readonly messages: readonly { readonly field: string; readonly type: string }[];
}

const INTEGERS_64 = new Set(['TYPE_UINT64', 'TYPE_INT64', 'TYPE_SINT64', 'TYPE_FIXED64', 'TYPE_SFIXED64']);

const TYPES: ReadonlyMap<string, Checked> = new Map(
  Object.entries(reflectionPackage).flatMap(([name, definition]): [string, Checked][] => {
    const type = definition.type as { readonly field?: readonly Field[] } | undefined;
    if (type?.field === undefined) return [];
    const scope = name.slice(0, name.lastIndexOf('.'));
    return [
      [
        name,
        {
          integers: type.field.filter((field) => INTEGERS_64.has(field.type)).map((field) => field.name),
          messages: type.field
            .filter((field) => field.type === 'TYPE_MESSAGE')
            .map((field) => ({ field: field.name, type: qualified(field.typeName, scope) })),
        },
      ],
    ];
  }),
);

function qualified(typeName: string, scope: string): string {
  if (typeName.startsWith('.')) return typeName.slice(1);
  return typeName.includes('.') ? typeName : `${scope}.${typeName}`;
}

/**
 * proto-loader turns 64-bit integers into numbers and rounds beyond 2^53 − 1 without a word; this throws
 * option_invalid with the field's path instead. `type` is the full name, e.g. fedrot.v1.Chunk.
 */
export function requireSafeIntegers(message: object, type: string, path = ''): void {
  const checked = TYPES.get(type);
  if (checked === undefined) return;
  const values = message as Readonly<Record<string, unknown>>;
  for (const field of checked.integers)
    for (const value of asList(values[field]))
      if (!Number.isSafeInteger(value))
        throw new FedrotError('option_invalid', `${type}: ${path}${field} is over 2^53 - 1`);
  for (const { field, type: inner } of checked.messages)
    for (const value of asList(values[field]))
      if (typeof value === 'object' && value !== null) requireSafeIntegers(value, inner, `${path}${field}.`);
}

function asList(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as unknown[]) : [value];
}
