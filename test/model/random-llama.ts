import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../../src/random.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';

/** Writes a random Llama (2 layers, 4 heads, 2 of keys and values) as a checkpoint folder, without a tokenizer. */
export async function randomLlama(
  folder: string,
  sizes: { readonly hidden: number; readonly intermediate: number; readonly vocabulary: number },
): Promise<void> {
  const { hidden, intermediate, vocabulary } = sizes;
  const random = Random.of('random llama', hidden, intermediate, vocabulary);
  const tensor = (name: string, ...shape: number[]): NamedTensor => {
    const [center, spread] = shape.length === 1 ? [1, 0.1] : [0, 1 / Math.sqrt(shape[1]!)];
    const count = shape.reduce((product, dim) => product * dim, 1);
    return {
      name: `${name}.weight`,
      shape,
      data: Float32Array.from({ length: count }, () => random.normal(center, spread)),
    };
  };
  const layers = [0, 1].flatMap((layer) => {
    const of = (name: string, ...shape: number[]): NamedTensor =>
      tensor(`model.layers.${layer}.${name}`, ...shape);
    return [
      of('input_layernorm', hidden),
      of('post_attention_layernorm', hidden),
      of('self_attn.q_proj', hidden, hidden),
      of('self_attn.k_proj', hidden / 2, hidden),
      of('self_attn.v_proj', hidden / 2, hidden),
      of('self_attn.o_proj', hidden, hidden),
      of('mlp.gate_proj', intermediate, hidden),
      of('mlp.up_proj', intermediate, hidden),
      of('mlp.down_proj', hidden, intermediate),
    ];
  });
  const outside = [
    tensor('model.embed_tokens', vocabulary, hidden),
    tensor('model.norm', hidden),
    tensor('lm_head', vocabulary, hidden),
  ];
  const config = {
    model_type: 'llama',
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 64,
    eos_token_id: 2,
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'model.safetensors'), encodeTensorFile([...outside, ...layers]).bytes);
}
