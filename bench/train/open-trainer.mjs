// What fedrot's side of the benches trains: factors as the Python side has them, and batches of tokens.
import { Trainer } from '../../dist/train/trainer.js';

/** Opens a trainer with A = sin(i + 1) / √in, B = 0, and AdamW without weight decay. */
export async function openTrainer({ learningRate, ...options }) {
  const trainer = await Trainer.open({ dense: [], ...options });
  trainer.load(
    trainer.parameters.map(({ name, shape }) => {
      const data = new Float32Array(shape[0] * shape[1]);
      if (name.includes('lora_A')) data.forEach((_, i) => (data[i] = Math.sin(i + 1) / Math.sqrt(shape[1])));
      return { name, shape, data };
    }),
  );
  const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
  trainer.resetOptimizer({ ...adamw, learningRate });
  return trainer;
}

export const int64 = (values, dims) => ({ dims, data: BigInt64Array.from(values, BigInt) });

/** Labels of rows of so many tokens: the token that follows; none for a row's last. */
export const nextTokens = (ids, length) => ids.map((_, i) => ((i + 1) % length === 0 ? -100 : ids[i + 1]));
