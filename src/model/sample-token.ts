import type { Random } from '../random.js';

export interface SamplingOptions {
  /** 0 takes the likeliest token; otherwise logits are divided by it. At least 0. */
  readonly temperature: number;
  /** Only the likeliest tokens that together have this probability are drawn from; (0, 1], 1 keeps all. */
  readonly topP: number;
}

/** The next token by its logits (nucleus sampling, Holtzman et al., arXiv 1904.09751). The first of equals wins. */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: Random): number {
  const { temperature, topP } = options;
  let best = 0;
  for (let id = 1; id < logits.length; id++) if ((logits[id] ?? 0) > (logits[best] ?? 0)) best = id;
  if (temperature === 0) return best;
  const top = logits[best] ?? 0;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const kept = topP < 1 ? nucleus(weights, topP) : Array.from(weights.keys());
  const total = kept.reduce((sum, id) => sum + (weights[id] ?? 0), 0);
  let left = random.uniform(0, total);
  for (const id of kept) {
    left -= weights[id] ?? 0;
    if (left < 0) return id;
  }
  return kept[kept.length - 1] ?? best;
}

/** The fewest likeliest ids whose weights sum to the share, the likeliest first. */
function nucleus(weights: Float64Array, share: number): number[] {
  const order = Array.from(weights.keys()).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
  const wanted = share * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const count = order.findIndex((id) => (sum += weights[id] ?? 0) >= wanted);
  return order.slice(0, count < 0 ? order.length : count + 1);
}
