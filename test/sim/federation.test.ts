import { describe, expect, it } from 'vitest';
import { FedrotError } from '../../src/errors.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { runFederation, type Federation } from '../../src/sim/federation.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';

const spec = (changes: object = {}) =>
  parseRunSpec({
    name: 'f',
    bundle: '0'.repeat(64),
    task: { kind: 'text-classification', labels: ['a', 'b'] },
    aggregation: { method: 'fedit', weighting: 'examples' },
    rounds: { count: 4, minSilos: 1, maxAttempts: 1 },
    ...changes,
  });

const head = (value: number): NamedTensor[] => [
  { name: 'base_model.model.classifier.bias', shape: [1], data: Float32Array.of(value) },
];
const silos = ['silo-1', 'silo-2', 'silo-3', 'silo-4', 'silo-5'];

/** Silo n adds n to the head, with n examples. */
function federation(changes: Partial<Federation> = {}) {
  const asked: string[][] = [];
  const values: number[] = [];
  const given: Federation = {
    spec: spec(),
    silos,
    initial: head(0),
    train: (silo, round, published) => {
      const n = Number(silo.slice(-1));
      (asked[round - 1] ??= []).push(silo);
      return Promise.resolve({
        tensors: head(published[0]!.data[0]! + n),
        examples: n,
        loss: 1,
      });
    },
    onVersion: ({ tensors }) => {
      values.push(tensors[0]!.data[0]!);
      return Promise.resolve();
    },
    ...changes,
  };
  return { given, asked, values };
}

describe('runFederation', () => {
  it('publishes the weighted mean of every round and tells every version in turn', async () => {
    const { given, values, asked } = federation();
    const state = await runFederation(given);
    expect(state).toMatchObject({ outcome: 'finished', version: 4 });
    expect(asked).toEqual([silos, silos, silos, silos]);
    // (1·1 + 2·2 + … + 5·5) / 15 a round.
    values.forEach((value, version) => expect(value).toBeCloseTo((version * 55) / 15, 5));
    expect(values).toHaveLength(5);
  });

  it('asks as many silos as rounds.ask says, other ones in other rounds, the same again', async () => {
    const rounds = { count: 20, minSilos: 1, maxAttempts: 1, ask: 2 };
    const draws: string[][][] = [];
    for (const seed of [7, 7, 8]) {
      const { given, asked } = federation({ spec: spec({ rounds, seed }) });
      expect(await runFederation(given)).toMatchObject({ outcome: 'finished', version: 20 });
      draws.push(asked);
    }
    const [first, again, other] = draws;
    expect(first!.map((some) => new Set(some).size)).toEqual(Array.from({ length: 20 }, () => 2));
    expect(new Set(first!.flat())).toEqual(new Set(silos));
    expect(new Set(first!.map((some) => some.join())).size).toBeGreaterThan(3);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('goes on without a silo that diverges, and fails where too few are left', async () => {
    const diverging =
      (bad: number): Federation['train'] =>
      (silo, _round, published) => {
        const n = Number(silo.slice(-1));
        if (n <= bad) return Promise.reject(new FedrotError('tensor_not_finite', 'diverged'));
        return Promise.resolve({ tensors: head(published[0]!.data[0]! + 1), examples: 1, loss: 1 });
      };
    let failures = 0;
    const onFailure = () => {
      failures++;
    };
    const some = federation({ train: diverging(2), onFailure });
    expect(await runFederation(some.given)).toMatchObject({ outcome: 'finished' });
    expect(some.values.at(-1)).toBe(4);
    expect(failures).toBe(8);
    const all = federation({ train: diverging(5) });
    expect(await runFederation(all.given)).toMatchObject({ outcome: 'failed', version: 0 });
  });

  it('lets other errors through', async () => {
    const { given } = federation({
      train: () => Promise.reject(new FedrotError('data_invalid', 'bad line')),
    });
    await expect(runFederation(given)).rejects.toMatchObject({ code: 'data_invalid' });
  });
});
