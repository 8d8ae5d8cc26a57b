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

/** torch.onnx's older exporter names nodes by module and op: `/bert/encoder/layer.0/attention/self/query/MatMul`. */
function fromScope({ node }: Nameable): string | undefined {
  for (const path of [node.name, ...node.outputs]) {
    const parts = path.split('/');
    if (parts.length > 2 && parts[0] === '') return parts.slice(1, -1).join('.');
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
