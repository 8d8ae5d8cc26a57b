// A Llama of the shape of Llama 3.2 1B with random weights: matrices of linear layers straight as 4-bit blocks (MatMulNBits), so that no
// more than one tensor's bytes are ever in memory. Prints nothing; writes model.onnx, weights.data and modules.json into a folder.
//
//   node bench/train/random-llama.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomFillSync } from 'node:crypto';
import { ModelBuilder } from '../../dist/model/model-builder.js';
import { buildDecoder } from '../../dist/model/architectures/decoder.js';
import { decoderConfig, decoderSpec, fullLayers } from '../../dist/model/architectures/decoder-config.js';
import { fileSink } from '../../dist/model/weight-sink.js';
import { int } from '../../dist/train/ir/attributes.js';
import { saveModel } from '../../dist/train/ir/files.js';
import { rawTensor } from '../../dist/train/ir/tensor-value.js';
import { raiseOpset } from '../../dist/train/quantize/raise-opset.js';

/** config.json of Llama 3.2 1B, 1.24 billion parameters. */
const CONFIG = {
  model_type: 'llama',
  hidden_size: 2048,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  intermediate_size: 8192,
  vocab_size: 128256,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: true,
  hidden_act: 'silu',
};
const BLOCK = 32;
const OPSET = 21;
/** About the standard deviation that models of this size have. */
const SPREAD = 0.02;

/** Numbers in (−1, 1) · bound, from random 16-bit integers. */
function uniform(count, bound) {
  const bits = randomFillSync(new Int16Array(count));
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = (bits[i] / 32768) * bound;
  return values;
}

const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const count = (dims) => dims.reduce((a, b) => a * b, 1);

/** Like the importer's builder, but weights are drawn and linear layers are 4-bit. */
class RandomBuilder extends ModelBuilder {
  adapted = [];
  parameters = 0;
  #raw;

  constructor(sink) {
    const norms = { read: (_, dims) => new Float32Array(count(dims)).fill(1), isMade: () => false };
    super(norms, sink.weights);
    this.#raw = sink.raw;
  }

  #stored(name, type, dims, bytes) {
    const value = rawTensor(type, dims, bytes);
    return this.graph.initializer(
      name,
      this.#raw(value, () => bytes),
    );
  }

  weight(name, dims) {
    this.parameters += count(dims);
    return this.#stored(name, 'float', dims, bytesOf(uniform(count(dims), SPREAD * Math.sqrt(3))));
  }

  linear(name, x, { in: inputs, out }) {
    this.parameters += inputs * out;
    const blocks = inputs / BLOCK;
    const blob = randomFillSync(new Uint8Array((out * inputs) / 2));
    const w = this.#stored(`${name}.weight`, 'uint8', [out, blocks, BLOCK / 2], blob);
    // 16 equally likely levels around the zero point have a standard deviation of 4.6 steps.
    const scales = new Float32Array(out * blocks).fill(SPREAD / 4.6);
    const s = this.#stored(`${name}.scales`, 'float', [out * blocks], bytesOf(scales));
    this.adapted.push({ name, in: inputs, out, weight: { initializer: w, layout: 'out_in' } });
    return this.graph.op('com.microsoft::MatMulNBits', [x, w, s], {
      K: int(inputs),
      N: int(out),
      bits: int(4),
      block_size: int(BLOCK),
    });
  }
}

const [folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const config = decoderConfig.parse(CONFIG);
const sink = fileSink(join(folder, 'weights.data'));
const builder = new RandomBuilder(sink);
const spec = decoderSpec(config, fullLayers(config));
buildDecoder(builder, spec);
sink.close();
saveModel(raiseOpset(builder.build(), OPSET), folder, { externalOver: Infinity });
const { adapted, parameters } = builder;
writeFileSync(
  join(folder, 'modules.json'),
  JSON.stringify({ adaptable: adapted, parameters, vocabulary: spec.vocabulary }),
);
