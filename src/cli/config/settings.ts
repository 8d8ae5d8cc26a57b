import { z } from 'zod';

/** How the text of a flag or variable is read. `yaml` is for lists of objects, maps and alternatives. */
export type SettingKind = 'string' | 'number' | 'boolean' | 'list' | 'yaml';

/** One key of a configuration that holds a value of its own. */
export interface Setting {
  /** Where it lies in the file, e.g. ['training', 'threads']. */
  readonly path: readonly string[];
  /** --training-threads */
  readonly flag: string;
  /** FEDROT_TRAINING_THREADS */
  readonly variable: string;
  readonly kind: SettingKind;
  readonly description: string;
  /** Undefined where the key has to be given or has none. */
  readonly default?: unknown;
}

/** The part of JSON Schema (2020-12) that matters here. */
interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly description?: string;
  readonly default?: unknown;
}

/** camelCase words: `maxUpdateBytes` → max, update, bytes; `grpcTLS` → grpc, tls. */
function words(key: string): string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[ _-]+/);
}

const SCALARS: Readonly<Record<string, SettingKind>> = {
  string: 'string',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
};

function kindOf(schema: JsonSchema): SettingKind {
  if (schema.enum?.every((value) => typeof value === 'string') === true) return 'string';
  if (typeof schema.const === 'string') return 'string';
  if (schema.type === 'array' && schema.items !== undefined && kindOf(schema.items) === 'string')
    return 'list';
  if (typeof schema.type === 'string') return SCALARS[schema.type] ?? 'yaml';
  // Optional and nullable values, and alternatives of one kind.
  const kinds = new Set(schema.anyOf?.filter(({ type }) => type !== 'null').map(kindOf));
  const [only] = kinds;
  return kinds.size === 1 && only !== undefined ? only : 'yaml';
}

function describe(schema: JsonSchema): string {
  const values = schema.enum === undefined ? '' : schema.enum.map(String).join(' | ');
  return [schema.description ?? '', values].filter((part) => part !== '').join(': ');
}

/**
 * Every key of a zod object schema that a flag or an environment variable can set: names are made of the path, so that
 * `data.textColumn` is --data-text-column and FEDROT_DATA_TEXT_COLUMN. Keys inside lists, maps and alternatives are set
 * together, as YAML.
 */
export function settingsOf(schema: z.ZodType): Setting[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const walk = (node: JsonSchema, path: readonly string[]): Setting[] =>
    Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
      const here = [...path, key];
      if (child.properties !== undefined) return walk(child, here);
      const name = here.flatMap(words);
      return [
        {
          path: here,
          flag: `--${name.join('-')}`,
          variable: `FEDROT_${name.join('_').toUpperCase()}`,
          kind: kindOf(child),
          description: describe(child),
          ...(child.default === undefined ? {} : { default: child.default }),
        },
      ];
    });
  return walk(root, []);
}
