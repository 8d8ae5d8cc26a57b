import type { z } from 'zod';
import { issueText } from '../../issue-text.js';
import { FedrotError } from '../../errors.js';
import { variable, type Environment } from '../env.js';
import { readValue } from './read-value.js';
import { settingsOf, type Setting } from './settings.js';
import { readYamlFile } from './yaml-file.js';

export interface ConfigSources {
  /** What lies below the file: for what is known from elsewhere. */
  readonly base?: Readonly<Record<string, unknown>>;
  /** Path of the YAML file, if any. */
  readonly file?: string | undefined;
  readonly environment: Environment;
  /** Texts of flags by the flag's name, e.g. { '--grpc-port': '0' }. */
  readonly flags: Readonly<Record<string, string>>;
}

type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Sets a value deep in a tree; objects on the way are copied, a scalar in the way is replaced. */
function setPath(tree: Tree, path: readonly string[], value: unknown): Tree {
  const [key = '', ...rest] = path;
  if (rest.length === 0) return { ...tree, [key]: value };
  const child = tree[key];
  return { ...tree, [key]: setPath(isTree(child) ? child : {}, rest, value) };
}

/** The lower tree with everything that the upper one says; lists and scalars are replaced whole. */
function merge(lower: Tree, upper: Tree): Tree {
  const merged: Tree = { ...lower };
  for (const [key, value] of Object.entries(upper)) {
    const below = lower[key];
    merged[key] = isTree(below) && isTree(value) ? merge(below, value) : value;
  }
  return merged;
}

const join = (path: readonly PropertyKey[]): string => path.map(String).join('.');

/** All values deep in a frozen tree are frozen too. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/** Where the value at a path came from: a flag, a variable, or the file (whose keys are named by their path). */
function locate(path: readonly PropertyKey[], origins: ReadonlyMap<string, string>, file: string): string {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(join(path.slice(0, length)));
    if (origin === undefined) continue;
    const inner = join(path.slice(length));
    return inner === '' ? origin : `${origin}, ${inner}`;
  }
  return path.length === 0 ? file : `${file}, ${join(path)}`;
}

/** The keys of an object schema at a path, for `did you mean`. */
function siblings(settings: readonly Setting[], path: readonly PropertyKey[]): string[] {
  const within = settings.filter((setting) => path.every((key, depth) => setting.path[depth] === key));
  return [...new Set(within.flatMap((setting) => setting.path[path.length] ?? []))];
}

type Issue = z.core.$ZodIssue;

function explain(
  issue: Issue,
  settings: readonly Setting[],
  locateAt: (path: readonly PropertyKey[]) => string,
): string {
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => JSON.stringify(join([...issue.path, key])));
    const known = siblings(settings, issue.path);
    const hint = known.length === 0 ? '' : `; known here: ${known.join(', ')}`;
    return `${locateAt([])}: unknown key ${keys.join(', ')}${hint}`;
  }
  const setting = settings.find(({ path }) => join(path) === join(issue.path));
  const where = locateAt(issue.path);
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined') && setting !== undefined)
    return `${where}: is required; set it in the file, with ${setting.flag}, or with ${setting.variable}`;
  return `${where}: ${issueText(issue)}`;
}

/**
 * A configuration from its layers: defaults, then the file, then FEDROT_* variables, then flags. Validated once, frozen.
 * Unknown keys of the file throw config_unknown_key, everything else config_invalid; the one-line message names file and
 * key, variable or flag. FEDROT_* variables that belong to no key are left alone: Kubernetes makes such
 * (FEDROT_COORDINATOR_SERVICE_HOST) for every service by itself.
 */
export function loadConfig<S extends z.ZodType>(schema: S, sources: ConfigSources): z.output<S> {
  const settings = settingsOf(schema);
  const file = sources.file ?? 'configuration';
  let tree: Tree = merge(sources.base ?? {}, sources.file === undefined ? {} : readYamlFile(sources.file));
  const origins = new Map<string, string>();
  const apply = (setting: Setting, text: string | undefined, origin: string): void => {
    if (text === undefined) return;
    const value = readValue(setting.kind, text, origin);
    // A map given as YAML adds to what is there, as it would in the file.
    const key = setting.path.reduce<unknown>((node, part) => (isTree(node) ? node[part] : undefined), tree);
    tree = setPath(tree, setting.path, isTree(key) && isTree(value) ? merge(key, value) : value);
    origins.set(join(setting.path), origin);
  };
  for (const setting of settings) {
    apply(setting, variable(sources.environment, setting.variable), setting.variable);
    apply(setting, sources.flags[setting.flag], setting.flag);
  }
  const parsed = schema.safeParse(tree);
  if (parsed.success) return deepFreeze(parsed.data);
  const issues = parsed.error.issues;
  const locateAt = (path: readonly PropertyKey[]): string => locate(path, origins, file);
  const unknown = issues.some((issue) => issue.code === 'unrecognized_keys');
  throw new FedrotError(
    unknown ? 'config_unknown_key' : 'config_invalid',
    issues.map((issue) => explain(issue, settings, locateAt)).join('; '),
  );
}
