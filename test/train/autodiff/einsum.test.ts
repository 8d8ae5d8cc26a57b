import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../src/train/autodiff/differentiate.js';
import { inlineConstants } from '../../../src/train/autodiff/constants.js';
import { einsumRules } from '../../../src/train/autodiff/rules/einsum.js';
import { string } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { checkGradient, claimedOpsets } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

describe('Einsum', () => {
  it.each<[string, ...(readonly number[])[]]>([
    ['ij,jk->ik', [2, 3], [3, 4]],
    ['bind,bjnd->bnij', [2, 3, 4, 5], [2, 6, 4, 5]],
    ['bind, snd -> bnis', [2, 3, 4, 5], [6, 4, 5]],
    ['ij,jk', [2, 3], [3, 4]],
    ['ij->ji', [2, 3]],
    ['ij->', [2, 3]],
    ['ijk->j', [2, 3, 4]],
    ['i,j->ij', [2], [3]],
    ['ij,ij->i', [2, 3], [2, 3]],
    ['a,ab,bc->c', [2], [2, 3], [3, 4]],
    ['ij,jk->ik', [1, 3], [3, 1]],
    ['ij,jk->ik', [0, 3], [3, 2]],
  ])('%s of %j and %j', async (equation, ...shapes) => {
    await checkGradient({
      inputs: Object.fromEntries(shapes.map((dims, i) => [`x${i}`, { dims }])),
      build: (builder) => {
        const names = shapes.map((_, i) => `x${i}`);
        const y = builder.op('Einsum', names, { equation: string(equation) });
        return builder.op('Mul', [y, y]);
      },
      opsets: claimedOpsets('Einsum'),
    });
  });

  it.each([
    ['ii->i', [3, 3], /a letter twice in one operand \("ii"\)/],
    ['...i->...', [2, 3], /an ellipsis/],
  ])('refuses %s', async (equation, dims, why) => {
    const base = new GraphBuilder({ opset: 18 });
    base.input('x', 'double', dims);
    const y = base.op('Einsum', ['x'], { equation: string(equation) });
    const model = base.build();
    const types = await probeTypes(model);
    const builder = GraphBuilder.from(model, { outputs: [] });
    const options = { model, builder, types, constants: inlineConstants(model.graph), wanted: ['x'] };
    expect(() => differentiate({ ...options, seeds: new Map([[y, y]]) })).toThrow(why);
  });
});

coversRules([...einsumRules]);
