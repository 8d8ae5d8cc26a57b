import type { Node } from './ir/graph.js';

/** Where a module's name was found; docs of findModules. */
export type NameSource = 'values' | 'metadata' | 'scope' | 'initializer' | 'bias' | 'made up';

export interface Nameable {
  readonly initializer: string;
  readonly bias?: string;
  readonly node: Node;
  /** True where an embedding is looked up in the same matrix: its name is then the embedding's. */
  readonly tied: boolean;
}

/**
 * torch.onnx's dynamo exporter notes on each node the modules it was called through, as the text of a Python list: the last entry is the
 * node itself, the one before it the innermost module.
 */
function fromMetadata({ node }: Nameable): string | undefined {
  const scopes = node.metadata?.['pkg.torch.onnx.name_scopes'];
  if (scopes === undefined) return undefined;
  const names = [...scopes.matchAll(/'([^']*)'|"([^"]*)"/g)].map((match) => match[1] ?? match[2] ?? '');
  const name = names.at(-2) ?? '';
  return name === '' ? undefined : name;
}

const PRODUCT = /^(MatMul|Gemm)(_\d+)?$/;

/**
 * torch.onnx's older exporter names nodes by module and op: `/bert/encoder/layer.0/attention/self/query/MatMul`; ONNX Runtime puts what it
 * fused behind that.
 */
function fromScope({ node }: Nameable): string | undefined {
  for (const path of [node.name, ...node.outputs]) {
    const parts = path.split('/');
    if (parts.length <= 2 || parts[0] !== '') continue;
    const product = parts.findIndex((part, i) => i > 1 && PRODUCT.test(part));
    return parts.slice(1, product > 0 ? product : -1).join('.');
  }
  return undefined;
}

/** Names that exporters make up: `onnx::MatMul_388`, `val_60`, `/model/Constant_output_0`, `Attention_0_qkv_weight`. */
const INVENTED = /^(onnx::|val_\d|_?\d+$|\/)|^[A-Z]\w*_\d+_/;

/** `model.layers.0.self_attn.q_proj.weight`, also with what tools put behind it (`.MatMul.weight`, `.weight_transposed`). */
function fromInitializer({ initializer, tied }: Nameable): string | undefined {
  if (tied || INVENTED.test(initializer)) return undefined;
  return /^(.+?)(?:\.(?:MatMul|Gemm))?\.weight(?:_\w+)?$/.exec(initializer)?.[1];
}

function fromBias({ bias }: Nameable): string | undefined {
  if (bias === undefined || INVENTED.test(bias)) return undefined;
  return /^(.+?)(?:\.(?:Add|Gemm))?\.bias$/.exec(bias)?.[1];
}

const SOURCES: readonly (readonly [NameSource, (module: Nameable) => string | undefined])[] = [
  ['initializer', fromInitializer],
  ['metadata', fromMetadata],
  ['bias', fromBias],
  ['scope', fromScope],
];

/** Only letters, digits, dots, underscores and hyphens, as PEFT's names have them. */
function madeUp(initializer: string): string {
  return initializer.replaceAll(/[^\w.-]+/g, '_').replaceAll(/^[_.]+|[_.]+$/g, '') || 'module';
}

/** The first source that knows a name. */
export function nameFromGraph(module: Nameable): { readonly name: string; readonly source: NameSource } {
  for (const [source, find] of SOURCES) {
    const name = find(module);
    if (name !== undefined && name !== '') return { name, source };
  }
  return { name: madeUp(module.initializer), source: 'made up' };
}

interface TwoNames {
  readonly graph: string;
  readonly checkpoint: string;
}

/**
 * What stands before every name where the exported module wraps the model (`inner.` of `inner.bert.pooler.dense`), found by the modules
 * that graph and checkpoint call the same behind it; the most frequent where they differ, undefined where there are none.
 */
export function wrapperOf(modules: readonly TwoNames[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { graph, checkpoint } of modules) {
    if (graph !== checkpoint && !graph.endsWith(`.${checkpoint}`)) continue;
    const wrapper = graph.slice(0, graph.length - checkpoint.length);
    counts.set(wrapper, (counts.get(wrapper) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

export function unwrapped(name: string, wrapper = ''): string {
  return name.startsWith(wrapper) ? name.slice(wrapper.length) : name;
}

/**
 * A module's name in the model that was exported, which is the one that PEFT meets: transformers renames modules between checkpoint and
 * model (NomicBERT's `attn.out_proj` is `self_attn.o_proj`). The checkpoint's counts where the graph's has the same parts and more, or only some of
 * them: exporters leave out containers, and note the module around a function.
 */
export function exportedAs(
  { name, source }: { readonly name: string; readonly source: NameSource },
  checkpoint: string,
  wrapper: string | undefined,
): string {
  if (wrapper === undefined || !name.startsWith(wrapper) || source === 'made up') return checkpoint;
  const own = unwrapped(name, wrapper);
  return leavesOut(own, checkpoint) || leavesOut(checkpoint, own) ? checkpoint : own;
}

/** Whether the first name is the second without some of its parts; a module's second call is `query_1` in the older exporter's scopes. */
function leavesOut(shorter: string, longer: string): boolean {
  const plain = (name: string): string[] => name.replace(/_\d+$/, '').split('.');
  const parts = plain(shorter);
  let at = 0;
  for (const part of plain(longer)) if (part === parts[at]) at++;
  return at === parts.length;
}
