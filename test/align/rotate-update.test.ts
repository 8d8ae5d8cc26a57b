import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { instructions } from '../../src/align/methods.js';
import { rotateUpdate } from '../../src/align/rotate-update.js';
import type { Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { memorySource } from '../../src/tensor/encode-file.js';
import { readTensors } from '../../src/tensor/read-tensors.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';
import { adapter, inputOf, nearFactors, normals, randomFactors, scrambled } from './support/federation.js';

const SHAPES = [
  { r: 4, in: 40, out: 30 },
  { r: 4, in: 30, out: 50 },
];

describe('rotation on the silo', () => {
  it.each([
    [{ lambda: 1 }, 2],
    [{ lambda: 1 }, 3],
    [{ lambda: 0.5 }, 2],
    [{ lambda: 0.4, reference: 'b' }, 4],
    [{ lambda: 1, reflections: true }, 3],
    [{ lambda: 1 }, 1],
  ])('gives what the server gives to 1e-6: %j in round %i', (options, round) => {
    const random = Random.of('silo', round);
    const modules = SHAPES.map((shape) => randomFactors(random, shape));
    const previous = adapter(modules, [{ name: 'head.bias', shape: [3], data: normals(random, 3) }]);
    const silos = Array.from({ length: 5 }, () =>
      adapter(
        modules.map((factors) => scrambled(random, nearFactors(random, factors, 0.3))),
        [{ name: 'head.bias', shape: [3], data: normals(random, 3) }],
      ),
    );
    const run = (where: 'server' | 'silo'): ReturnType<typeof aggregate> => {
      const own = { ...options, where };
      const { rotate } = instructions('fedrot', own, round);
      expect(rotate !== undefined).toBe(where === 'silo' && round > 1);
      const updates = silos.map((silo, i) => ({
        silo: `s${i}`,
        weight: 1 + i,
        tensors: rotate ? memorySource(rotateUpdate(readTensors(silo), previous, rotate)) : silo,
      }));
      return aggregate(inputOf(modules[0]!, [], { previous, updates, round, options: own }));
    };
    const [server, silo] = [run('server'), run('silo')];
    server.tensors.forEach(({ name, data }, t) => {
      expect(silo.tensors[t]!.name).toBe(name);
      data.forEach((value, i) => expect(Math.abs(value - silo.tensors[t]!.data[i]!)).toBeLessThan(1e-6));
    });
    expect(silo.diagnostics.aggregationError).toBeCloseTo(server.diagnostics.aggregationError!, 5);
  });

  it('fills a smaller rank up to the published one, and refuses what is not there', () => {
    const random = Random.of('fill');
    const published = randomFactors(random, SHAPES[0]!);
    const rotate = { side: 'a', lambda: 1, reflections: false } as const;
    const turn = (factors: Factors): NamedTensor[] => rotateUpdate(readTensors(adapter([factors])), adapter([published]), rotate);
    const small = randomFactors(random, { ...SHAPES[0]!, r: 2 });
    expect(turn(small).map(({ shape }) => shape)).toEqual([[4, 40], [30, 4]]);
    expect(codeOf(() => turn(randomFactors(random, { ...SHAPES[0]!, r: 5 })))).toBe('tensor_shape');
    expect(codeOf(() => turn(randomFactors(random, SHAPES[1]!)))).toBe('tensor_shape');
    expect(codeOf(() => rotateUpdate(readTensors(adapter([small, small])), adapter([published]), rotate))).toBe('tensor_name');
  }); // prettier-ignore
});
