import { describe, expect, it } from 'vitest';
import { parseRunSpec } from '../../src/run-spec.js';
import {
  EMPTY_FORM,
  FIELD_NAMES,
  FIELD_OF_PATH,
  ruleOf,
  whyUnused,
  type RunForm,
} from '../../src/web/lib/run-fields.js';
import { issuesOf, specOfForm, usualTargets } from '../../src/web/lib/run-form.js';

describe('the form of a new run', () => {
  const bundle = {
    sha256: 'b'.repeat(64),
    bytes: 1,
    complete: true,
    model: {
      name: 'm',
      architecture: 'bert',
      task: 'text-classification',
      labels: ['ham', 'spam'],
      maxTokens: 512,
      pooling: null,
      quantizedBits: null,
      targets: ['query', 'key', 'value'].map((name) => ({ name, modules: 6 })),
      head: ['classifier'],
    },
  };
  const filled = { ...EMPTY_FORM, name: 'mail', bundle: bundle.sha256, targets: usualTargets(bundle) };

  it('makes a specification that the coordinator takes', async () => {
    expect(filled.targets).toEqual(['query', 'value']);
    const spec = specOfForm(
      { ...filled, more: '{"training":{"schedule":{"kind":"cosine"}},"seed":7}' },
      bundle,
    );
    expect(await issuesOf(spec)).toEqual([]);
    expect(parseRunSpec(spec)).toMatchObject({
      seed: 7,
      rounds: { deadlineMs: 1_800_000 },
      training: { schedule: { kind: 'cosine' }, batchSize: 16 },
      lora: { targetModules: ['query', 'value'], modulesToSave: ['classifier'] },
    });
  });

  it('gives every key of the rounds and the share, and only what counts', async () => {
    const roundsOf = async (form: Partial<RunForm>): Promise<unknown> => {
      const spec = specOfForm({ ...filled, ...form }, bundle);
      expect(await issuesOf(spec)).toEqual([]);
      return { share: spec.share, ...(spec.rounds as object) };
    };
    const rounds = {
      share: 1,
      count: 10,
      minSilos: 2,
      deadlineMs: 1_800_000,
      sampling: 'uniform',
      mode: 'sync',
      late: 'refuse',
    };
    expect(await roundsOf({ staleMax: 5, staleExponent: NaN })).toEqual(rounds);
    expect(await roundsOf({ late: 'carry', staleMax: 5, share: 2.5 })).toEqual({
      ...rounds,
      share: 2.5,
      late: 'carry',
      staleness: { max: 5, weight: { kind: 'polynomial', exponent: 0.5 } },
    });
    const { late, ...others } = rounds;
    expect(await roundsOf({ mode: 'async', late, staleWeight: 'hinge' })).toEqual({
      ...others,
      mode: 'async',
      staleness: { weight: { kind: 'hinge', free: 4, slope: 10 } },
    });
    expect(await roundsOf({ late: 'carry', staleWeight: 'constant' })).toMatchObject({
      staleness: { weight: { kind: 'constant' } },
    });
  });

  it('says why a field counts for nothing', () => {
    const why = (form: Partial<RunForm>): readonly string[] =>
      FIELD_NAMES.filter((name) => whyUnused({ ...EMPTY_FORM, ...form }, name) !== undefined);
    const weights = ['staleExponent', 'staleFree', 'staleSlope'];
    expect(why({})).toEqual(['staleMax', 'staleWeight', ...weights]);
    expect(why({ late: 'carry' })).toEqual(['staleFree', 'staleSlope']);
    expect(why({ mode: 'async', staleWeight: 'hinge' })).toEqual(['late', 'staleExponent']);
    expect(whyUnused({ ...EMPTY_FORM, mode: 'async' }, 'late')).toMatch('no update is late');
  });

  it('has no field whose path the specification does not know, and begins with its defaults', () => {
    const defaults = parseRunSpec({ name: 'x', bundle: bundle.sha256, task: { kind: 'text-regression' } });
    const at = (path: string): unknown =>
      path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], defaults);
    // The name, the model and the modules have none; a hinge's options are of no default weight.
    const own = ['name', 'bundle', 'targets', 'staleFree', 'staleSlope'];
    for (const name of FIELD_NAMES.filter((each) => !own.includes(each))) {
      const { path, initial, factor = 1, optional } = ruleOf(name);
      expect([path, at(path)]).toEqual([
        path,
        optional ? undefined : factor > 1 ? Number(initial) * factor : initial,
      ]);
    }
  });

  it('says where it is wrong', async () => {
    const old = specOfForm({ ...filled, late: 'carry', staleMax: 0, staleExponent: 11, share: 0 }, bundle);
    expect((await issuesOf(old)).map(({ path }) => FIELD_OF_PATH[path])).toEqual([
      'staleExponent',
      'staleMax',
      'share',
    ]);
    const wrong = specOfForm({ ...filled, name: 'A', rank: NaN, more: '{"nothing":1}' }, bundle);
    const paths = (await issuesOf(wrong)).map(({ path }) => path);
    expect(paths.sort()).toEqual(['', 'lora.rank', 'name']);
    expect(() => specOfForm({ ...filled, more: '{' }, bundle)).toThrow(SyntaxError);
  });
});
