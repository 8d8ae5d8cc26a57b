// Sizes of the models that are measured, and what a training step must at least compute.

/** all-MiniLM-L6-v2's config. */
const MINILM = {
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536,
  vocab_size: 30522,
};

/** `base`: the transformers config; `targets`: adapted modules; `layers`: which of them, all where left out. */
export const MODELS = {
  tiny: {
    kind: 'bert',
    base: {
      hidden_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      intermediate_size: 128,
      vocab_size: 1000,
    },
    targets: ['query', 'value'],
  },
  minilm: {
    kind: 'bert',
    base: MINILM,
    targets: ['query', 'value'],
  },
  'minilm-top2': {
    kind: 'bert',
    base: MINILM,
    targets: ['query', 'value'],
    layers: [4, 5],
    prefix: true,
  },
  'bert-base': {
    kind: 'bert',
    base: {
      hidden_size: 768,
      num_hidden_layers: 12,
      num_attention_heads: 12,
      intermediate_size: 3072,
      vocab_size: 30522,
    },
    targets: ['query', 'value'],
  },
  stories15m: {
    kind: 'llama',
    base: {
      hidden_size: 288,
      num_hidden_layers: 6,
      num_attention_heads: 6,
      num_key_value_heads: 6,
      intermediate_size: 768,
      vocab_size: 32000,
      max_position_embeddings: 256,
      tie_word_embeddings: true,
    },
    targets: ['q_proj', 'v_proj'],
  },
};

export const LORA = { rank: 8, alpha: 16 };
export const CLASSES = 2;

/** Sizes [in, out] of a layer's linear modules: those that read the attention's input first. */
function layerProducts({ kind, base }) {
  const { hidden_size: h, intermediate_size: m, num_attention_heads: heads } = base;
  const kv = kind === 'llama' ? (h / heads) * base.num_key_value_heads : h;
  const feed =
    kind === 'llama'
      ? [
          [h, m],
          [h, m],
          [m, h],
        ]
      : [
          [h, m],
          [m, h],
        ];
  return {
    entry: [
      [h, h],
      [h, kv],
      [h, kv],
    ],
    rest: [[h, h], ...feed],
  };
}

const sum = (sizes) => sizes.reduce((total, [a, b]) => total + a * b, 0);

/**
 * Floating-point operations of the products that cannot be left out, two for each multiply-add: weights forward once, and once more for
 * the gradients of their inputs above the lowest adapted modules; attention twice forward, four times backward; the factors. Of an encoder's
 * last layer the classifier reads one row only, so queries, the rest of the layer and attention are needed for that row alone. A language
 * model's last position has no label.
 */
export function necessaryFlops(model, { batch, sequence, cached = false }) {
  const { hidden_size: h, num_hidden_layers: depth, vocab_size: vocabulary } = model.base;
  const lm = model.kind === 'llama';
  const tokens = batch * sequence;
  const adapted = model.layers ?? Array.from({ length: depth }, (_, i) => i);
  const lowest = Math.min(...adapted);
  const { entry, rest } = layerProducts(model);
  const [query, ...keyValue] = entry;
  const rows = (layer) => (lm || layer < depth - 1 ? tokens : batch);
  const products = (layer) => ({
    entry: 2 * (sum([query]) * rows(layer) + sum(keyValue) * tokens),
    rest: 2 * sum(rest) * rows(layer),
    attention: 4 * rows(layer) * sequence * h,
  });
  const head = 2 * (lm ? vocabulary * h * (tokens - batch) : (h * h + CLASSES * h) * batch);
  let [forward, backward] = [head, head];
  for (let layer = cached ? lowest : 0; layer < depth; layer++) {
    const own = products(layer);
    forward += own.entry + own.rest + own.attention;
    if (layer > lowest) backward += own.entry;
    if (layer >= lowest) backward += own.rest + 2 * own.attention;
  }
  const sites = adapted.length * model.targets.length;
  const factors = sites * 6 * tokens * LORA.rank * 2 * h;
  return { forward, step: forward + backward + factors };
}

/** The products whose speed is measured as the machine's peak: [rows, in, out]. */
export function productSizes(model, { batch, sequence }) {
  const { entry, rest } = layerProducts(model);
  const seen = new Set();
  return [...entry, ...rest]
    .map(([from, to]) => [batch * sequence, from, to])
    .filter((size) => !seen.has(size.join()) && seen.add(size.join()));
}
