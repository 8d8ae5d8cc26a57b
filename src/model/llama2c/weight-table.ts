/** The header of a llama2.c checkpoint (llama2.c, run.c: Config). */
export interface Llama2cSizes {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly vocabulary: number;
  readonly positions: number;
  readonly tied: boolean;
}

export interface StoredTensor {
  readonly shape: readonly number[];
  /** Bytes from the beginning of the file. */
  readonly offset: number;
  /** Given where rows have to be reordered by head. */
  readonly heads?: number | undefined;
}

/** One group of weights: a tensor for each layer, or one for the model. `name` is undefined for what is not used. */
interface Group {
  readonly name?: string;
  readonly layered: boolean;
  readonly shape: readonly number[];
  readonly heads?: number;
}

/** Every group in the order of the file (llama2.c, export.py: legacy_export and version1_export). */
function groups(sizes: Llama2cSizes, version: 0 | 1): Group[] {
  const { hidden, intermediate, heads, keyValueHeads, vocabulary, positions } = sizes;
  const narrow = (hidden / heads) * keyValueHeads;
  const layer = (name: string, shape: readonly number[], by?: number): Group => ({
    name,
    layered: true,
    shape,
    ...(by === undefined ? {} : { heads: by }),
  });
  const embedding: Group = { name: 'model.embed_tokens.weight', layered: false, shape: [vocabulary, hidden] };
  const attentionNorm = layer('input_layernorm.weight', [hidden]);
  const mlpNorm = layer('post_attention_layernorm.weight', [hidden]);
  const lastNorm: Group = { name: 'model.norm.weight', layered: false, shape: [hidden] };
  const attention = [
    layer('self_attn.q_proj.weight', [hidden, hidden], heads),
    layer('self_attn.k_proj.weight', [narrow, hidden], keyValueHeads),
    layer('self_attn.v_proj.weight', [narrow, hidden]),
    layer('self_attn.o_proj.weight', [hidden, hidden]),
  ];
  const mlp = [
    layer('mlp.gate_proj.weight', [intermediate, hidden]),
    layer('mlp.down_proj.weight', [hidden, intermediate]),
    layer('mlp.up_proj.weight', [intermediate, hidden]),
  ];
  // Cosines and sines of every position, which the graph computes itself.
  const angles: Group = { layered: false, shape: [positions, hidden / heads / 2] };
  const head: Group[] = sizes.tied
    ? []
    : [{ name: 'lm_head.weight', layered: false, shape: [vocabulary, hidden] }];
  return version === 0
    ? [embedding, attentionNorm, ...attention, mlpNorm, ...mlp, lastNorm, angles, angles, ...head]
    : [attentionNorm, mlpNorm, lastNorm, embedding, ...attention, ...mlp, ...head];
}

/** Where each tensor lies, by its Hugging Face name, and how long the file is. */
export function weightTable(
  sizes: Llama2cSizes,
  version: 0 | 1,
  begin: number,
): { readonly tensors: ReadonlyMap<string, StoredTensor>; readonly bytes: number } {
  const tensors = new Map<string, StoredTensor>();
  let offset = begin;
  for (const { name, layered, shape, heads } of groups(sizes, version)) {
    const bytes = 4 * shape.reduce((product, dim) => product * dim, 1);
    for (let layer = 0; layer < (layered ? sizes.layers : 1); layer++) {
      if (name !== undefined)
        tensors.set(layered ? `model.layers.${layer}.${name}` : name, { shape, offset, heads });
      offset += bytes;
    }
  }
  return { tensors, bytes: offset };
}
