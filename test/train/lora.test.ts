import { describe, expect, it } from 'vitest';
import { float, int, ints } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { encodeModel } from '../../src/train/ir/codec.js';
import type { Model } from '../../src/train/ir/graph.js';
import { floatTensor } from '../../src/train/ir/tensor-value.js';
import { injectLora, loraNames } from '../../src/train/lora.js';
import type { AdaptableModule } from '../../src/train/modules.js';
import { DROPOUT_SCALE, dropoutMask } from '../../src/train/dropout.js';
import { probeTypes } from '../../src/train/shapes/probe.js';
import { openRuntime, type RuntimeTensor } from '../../src/train/ort.js';
import type { LoraSite } from '../../src/train/session-types.js';
import { sizeOf, uniform } from './support/random.js';

const random = (seed: number, dims: readonly number[]): Float32Array =>
  Float32Array.from(uniform(seed, sizeOf(dims)));
const [inputs, rank, scale] = [4, 2, 1.5];
const x: RuntimeTensor = { type: 'float', dims: [3, inputs], data: random(50, [3, inputs]) };

function site(name: string, out: number, weight: AdaptableModule['weight']): LoraSite {
  return { module: { name, in: inputs, out, weight }, rank, scale };
}

const factors = (sites: readonly LoraSite[]): Record<string, RuntimeTensor> =>
  Object.fromEntries(
    sites.flatMap(({ module }, i) => {
      const { a, b } = loraNames(module.name);
      const dims = { a: [rank, inputs], b: [module.out, rank] };
      return [
        [a, { type: 'float', dims: dims.a, data: random(60 + i, dims.a) }],
        [b, { type: 'float', dims: dims.b, data: random(70 + i, dims.b) }],
      ] as const;
    }),
  );

async function run(model: Model, feeds: Record<string, RuntimeTensor>): Promise<number[]> {
  const runtime = await openRuntime(encodeModel(model));
  const { y } = await runtime.run(feeds, ['y']);
  await runtime.close();
  return Array.from(y?.data ?? [], Number);
}

/** What a linear layer gives when scale · B · A is added to the weight itself; `weight` is in × out. */
function merged(weight: Float32Array, total: number, sites: readonly LoraSite[]): Float32Array {
  const result = weight.slice();
  const feeds = factors(sites);
  for (const { module } of sites) {
    const { a, b } = loraNames(module.name);
    const [A, B] = [feeds[a]?.data ?? [], feeds[b]?.data ?? []];
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < module.out; o++)
        for (let k = 0; k < rank; k++) {
          const at = i * total + (module.weight.firstOutput ?? 0) + o;
          result[at] = (result[at] ?? 0) + scale * Number(B[o * rank + k]) * Number(A[k * inputs + i]);
        }
  }
  return result;
}

const turned = (data: Float32Array, rows: number, columns: number): Float32Array =>
  data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0);

type Use = (builder: GraphBuilder, weight: string) => void;

/** A model around one weight, [in, out] unless `outIn`. */
function modelOf(weight: Float32Array, out: number, outIn: boolean, use: Use): Model {
  const builder = new GraphBuilder({ opset: 17 });
  builder.input('x', 'float', ['rows', inputs]);
  const value = outIn
    ? floatTensor([out, inputs], turned(weight, inputs, out))
    : floatTensor([inputs, out], weight);
  use(builder, builder.initializer('w', value));
  builder.output('y', 'float', ['rows', out]);
  return builder.build();
}

async function compare(out: number, outIn: boolean, sites: readonly LoraSite[], use: Use): Promise<void> {
  const weight = random(1, [inputs, out]);
  const actual = await run(injectLora(modelOf(weight, out, outIn, use), sites), { x, ...factors(sites) });
  const expected = await run(modelOf(merged(weight, out, sites), out, outIn, use), { x });
  expect(actual).toHaveLength(3 * out);
  actual.forEach((number, i) => expect(number).toBeCloseTo(expected[i] ?? NaN, 5));
}

const bias = (builder: GraphBuilder): string => builder.constant(floatTensor([6], random(9, [6])));

describe('LoRA injection gives what adding scale · B · A to the weight gives', () => {
  it.each<readonly [string, boolean, Use]>([
    ['MatMul', false, (b, w) => b.op('MatMul', ['x', w], {}, 'y')],
    ['Gemm, in × out', false, (b, w) => b.op('Gemm', ['x', w, bias(b)], {}, 'y')],
    [
      'Gemm with transB and alpha',
      true,
      (b, w) => b.op('Gemm', ['x', w, bias(b)], { transB: int(1), alpha: float(0.5) }, 'y'),
    ],
    [
      'FusedMatMul',
      true,
      (b, w) => b.op('com.microsoft::FusedMatMul', ['x', w], { transB: int(1), alpha: float(2) }, 'y'),
    ],
    [
      'MatMul behind a Transpose',
      true,
      (b, w) => b.op('MatMul', ['x', b.op('Transpose', [w], { perm: ints([1, 0]) })], {}, 'y'),
    ],
    ['MatMul behind Identity', false, (b, w) => b.op('MatMul', ['x', b.op('Identity', [w])], {}, 'y')],
    [
      'two uses of one weight',
      false,
      (b, w) =>
        b.op(
          'Add',
          [b.op('MatMul', ['x', w]), b.op('MatMul', [b.op('Neg', [b.op('Exp', ['x'])]), w])],
          {},
          'y',
        ),
    ],
    [
      'Gemm with transA',
      false,
      (b, w) => b.op('Gemm', [b.op('Transpose', ['x'], { perm: ints([1, 0]) }), w], { transA: int(1) }, 'y'),
    ],
  ])('%s', async (_, outIn, use) => {
    await compare(
      6,
      outIn,
      [site('linear', 6, { initializer: 'w', layout: outIn ? 'out_in' : 'in_out' })],
      use,
    );
  });

  it('modules that share one matrix, each its own columns', async () => {
    const sites = [
      site('query', 2, { initializer: 'w', layout: 'in_out', firstOutput: 0 }),
      site('value', 3, { initializer: 'w', layout: 'in_out', firstOutput: 3 }),
    ];
    await compare(6, false, sites, (b, w) => b.op('Gemm', ['x', w, bias(b)], {}, 'y'));
  });
});

describe('LoRA injection refuses', () => {
  const plain = (): Model =>
    modelOf(random(1, [inputs, 6]), 6, false, (b, w) => b.op('MatMul', ['x', w], {}, 'y'));

  it.each<readonly [string, LoraSite, RegExp]>([
    [
      'an absent weight',
      site('m', 6, { initializer: 'v', layout: 'in_out' }),
      /module m: the model has no initializer v/,
    ],
    [
      'a wrong size',
      site('m', 5, { initializer: 'w', layout: 'in_out' }),
      /shape \[4, 6\], which does not hold 4 in and 5 out/,
    ],
    [
      'columns beyond the end',
      site('m', 4, { initializer: 'w', layout: 'in_out', firstOutput: 3 }),
      /from output 3/,
    ],
    ['the other layout', site('m', 6, { initializer: 'w', layout: 'out_in' }), /shape \[4, 6\]/],
  ])('%s', (_, wrong, message) => {
    expect(() => injectLora(plain(), [wrong])).toThrow(message);
  });

  it('a weight that something else uses, or nothing', () => {
    const mul = modelOf(random(1, [inputs, 4]), 4, false, (b, w) => b.op('Mul', ['x', w], {}, 'y'));
    const where = site('m', 4, { initializer: 'w', layout: 'in_out' });
    expect(() => injectLora(mul, [where])).toThrow(/used by Mul node "y" as input 1/);
    const unused = modelOf(random(1, [inputs, 4]), 4, false, (b) => b.op('Neg', ['x'], {}, 'y'));
    expect(() => injectLora(unused, [where])).toThrow(/not used by any product/);
  });
});

describe('dropout', () => {
  it('zeroes entries of the input of A and scales the rest; the frozen product keeps all', async () => {
    const weight = random(1, [inputs, 3]);
    const one = site('drop', 3, { initializer: 'w', layout: 'in_out' });
    const model = modelOf(weight, 3, false, (builder, w) => builder.op('MatMul', ['x', w], {}, 'y'));
    const dropping = injectLora(model, [one], { dropout: await probeTypes(model) });
    const mask = Uint8Array.from({ length: 3 * inputs }, (_, i) => (i % 3 === 0 ? 0 : 1));
    const feeds = factors([one]);
    const actual = await run(dropping, {
      x,
      ...feeds,
      [dropoutMask('drop')]: { type: 'uint8', dims: [3, inputs], data: mask },
      [DROPOUT_SCALE]: { type: 'float', dims: [], data: Float32Array.of(1.25) },
    });
    const { a, b } = loraNames('drop');
    const [A, B] = [feeds[a]?.data ?? [], feeds[b]?.data ?? []];
    for (let row = 0; row < 3; row++)
      for (let o = 0; o < 3; o++) {
        let expected = 0;
        for (let i = 0; i < inputs; i++) {
          const value = Number(x.data[row * inputs + i]);
          expected += value * (weight[i * 3 + o] ?? NaN);
          for (let k = 0; k < rank; k++)
            expected +=
              scale *
              1.25 *
              value *
              (mask[row * inputs + i] ?? NaN) *
              Number(A[k * inputs + i]) *
              Number(B[o * rank + k]);
        }
        expect(actual[row * 3 + o]).toBeCloseTo(expected, 5);
      }
  });
});
