import { describe, expect, it } from 'vitest';
import { inlineConstants } from '../../src/train/autodiff/constants.js';
import { differentiate } from '../../src/train/autodiff/differentiate.js';
import { crossEntropy } from '../../src/train/cross-entropy.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { encodeModel } from '../../src/train/ir/codec.js';
import { pruneTo } from '../../src/train/ir/prune.js';
import { injectLora, loraNames } from '../../src/train/lora.js';
import { openRuntime, type RuntimeTensor } from '../../src/train/ort.js';
import type { LoraSite } from '../../src/train/session-types.js';
import { probeTypes } from '../../src/train/shapes/probe.js';
import { expandForDouble } from './support/double-kernels.js';
import { worstDifference } from './support/finite-differences.js';
import { sizeOf, uniform } from './support/random.js';
import { tinyBert } from './support/tiny-bert.js';

const size = { hidden: 8, heads: 2, layers: 2, classes: 3 };
const rank = 2;

function site(name: string): LoraSite {
  const weight = { initializer: name, layout: 'in_out' as const };
  return { module: { name, in: size.hidden, out: size.hidden, weight }, rank, scale: 1.5 };
}

describe('a whole BERT in float64', () => {
  it('agrees with central differences: loss by LoRA factors, head and input', async () => {
    const sites = ['layer.0.query', 'layer.0.value', 'layer.1.query', 'layer.1.value'].map(site);
    const base = new GraphBuilder({ opset: 17 });
    base.input('x', 'double', ['batch', 'sequence', size.hidden]);
    base.input('mask', 'double', ['batch', 'sequence']);
    const heads = { classifier: [size.hidden, size.classes], 'classifier.bias': [size.classes] };
    for (const [name, dims] of Object.entries(heads)) base.input(name, 'double', dims);
    const logits = tinyBert(base, size, new Set(Object.keys(heads)));
    const model = injectLora(base.build(), sites);
    const types = await probeTypes(expandForDouble(model));
    const factors = sites.flatMap(({ module }) => Object.values(loraNames(module.name)));
    const wanted = ['x', ...Object.keys(heads), ...factors];

    const builder = GraphBuilder.from(model);
    builder.input('labels', 'int64', ['batch']);
    const { loss, gradient } = crossEntropy(
      builder,
      { name: logits, type: 'double', dims: types.dims(logits) },
      'labels',
    );
    const gradients = differentiate({
      model,
      builder,
      types,
      constants: inlineConstants(model.graph),
      seeds: new Map([[logits, gradient()]]),
      wanted,
    });
    const names = wanted.map((name) => gradients.get(name) ?? '');
    const outputs = [loss, ...names].map((name) => ({
      name,
      type: 'double' as const,
      dims: [],
      unknownRank: true,
    }));
    const whole = expandForDouble(builder.build());
    const backward = await openRuntime(encodeModel(pruneTo(whole, outputs)), { optimization: 'disabled' });
    const forward = await openRuntime(encodeModel(pruneTo(whole, outputs.slice(0, 1))), {
      optimization: 'disabled',
    });

    // Three rows of five tokens, padded differently; one row does not count.
    const shapes: Record<string, readonly number[]> = { x: [3, 5, size.hidden], ...heads };
    for (const name of factors)
      shapes[name] = name.includes('lora_A') ? [rank, size.hidden] : [size.hidden, rank];
    const feeds: Record<string, RuntimeTensor> = {
      mask: {
        type: 'double',
        dims: [3, 5],
        data: Float64Array.from([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0]),
      },
      labels: { type: 'int64', dims: [3], data: BigInt64Array.from([2n, -100n, 0n]) },
    };
    for (const [i, name] of wanted.entries()) {
      const dims = shapes[name] ?? [];
      feeds[name] = { type: 'double', dims, data: uniform(i + 1, sizeOf(dims), [-1, 1]) };
    }
    const lossAt = async (): Promise<number> => Number((await forward.run(feeds, [loss]))[loss]?.data[0]);
    const results = await backward.run(feeds, names);
    for (const [i, name] of wanted.entries()) {
      const data = feeds[name]?.data as Float64Array;
      const numeric = new Float64Array(data.length);
      for (let at = 0; at < data.length; at++) {
        const before = data[at] ?? 0;
        data[at] = before + 1e-5;
        const up = await lossAt();
        data[at] = before - 1e-5;
        const down = await lossAt();
        data[at] = before;
        numeric[at] = (up - down) / 2e-5;
      }
      const analytic = results[names[i] ?? '']?.data as Float64Array;
      expect(Math.max(...numeric.map(Math.abs)), `${name} matters`).toBeGreaterThan(1e-4);
      expect(worstDifference(analytic, numeric), name).toBeLessThan(1e-6);
    }
    // The second row does not count, so nothing flows into it; padded positions of a counted row get nothing either.
    const dx = results[names[0] ?? '']?.data as Float64Array;
    expect([...dx.slice(5 * size.hidden, 10 * size.hidden)].every((value) => value === 0)).toBe(true);
    await backward.close();
    await forward.close();
  });
});
