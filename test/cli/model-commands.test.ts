import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { writePeftAdapter } from '../../src/model/peft.js';
import type { AdapterSettings } from '../../src/model/peft-config.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { Random } from '../../src/random.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { Trainer } from '../../src/train/trainer.js';
import { relativeError } from '../model/forward.js';
import { run } from '../model/run-file.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { repoPath } from '../support/repo.js';
import { cli } from './support/context.js';

let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'fedrot-commands-'));
  const bert = await tinyCheckpoint('bert');
  await tinyBundle(bert, 'bundle', { labels: ['ham', 'spam'], head: 'new' });
  cpSync(bert, join(home, 'bert'), { recursive: true });
  rmSync(bert, { recursive: true });
  cpSync(repoPath('test/data/golden/llama/checkpoint'), join(home, 'llama/checkpoint'), { recursive: true });
  writeFileSync(join(home, 'llama/checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  await tinyBundle(join(home, 'llama'));
  for (const name of ['bert', 'llama'] as const) await writeAdapter(name);
});
afterAll(() => rmSync(home, { recursive: true }));

const SETTINGS: Record<'bert' | 'llama', AdapterSettings> = {
  bert: {
    rank: 2,
    alpha: 4,
    rsLora: false,
    dropout: 0,
    targetModules: ['query'],
    modulesToSave: ['classifier'],
  },
  llama: {
    rank: 2,
    alpha: 4,
    rsLora: true,
    dropout: 0,
    targetModules: ['q_proj', 'up_proj'],
    modulesToSave: [],
  },
};

async function tensorsOf(name: 'bert' | 'llama'): Promise<NamedTensor[]> {
  const bundle = await openBundle(join(home, name, 'bundle'), { verify: false });
  const random = Random.of('commands', name);
  return initialAdapter(bundle, SETTINGS[name], 1).map((tensor) => ({
    ...tensor,
    data: tensor.data.map((value) => value + random.normal(0, 0.5)),
  }));
}

async function writeAdapter(name: 'bert' | 'llama'): Promise<void> {
  const adapter = encodeTensorFile(await tensorsOf(name)).bytes;
  const task = name === 'bert' ? 'text-classification' : 'causal-lm';
  await writePeftAdapter({ folder: join(home, name, 'adapter'), adapter, settings: SETTINGS[name], task });
}

const at = (...parts: string[]): string => join(home, ...parts);

async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await cli([...args, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as T;
}

const LLAMA = (): string[] => ['--bundle', at('llama/bundle')];
const BERT = (): string[] => ['--bundle', at('bert/bundle')];

describe('fedrot generate', () => {
  interface Made {
    readonly text: string;
    readonly completion: string;
    readonly tokens: number;
    readonly ended: string;
  }

  it('continues a prompt, and otherwise with an adapter', async () => {
    const base = await json<Made>('generate', 'free offer', ...LLAMA(), '--max-new-tokens', '6');
    expect(base.text.startsWith('free offer')).toBe(true);
    expect(base.text).toBe(`free offer${base.completion}`);
    expect(base.tokens).toBeLessThanOrEqual(6);
    expect(base.ended).toBe(base.tokens === 6 ? 'length' : 'end token');
    expect(await json('generate', 'free offer', ...LLAMA(), '--max-new-tokens', '6')).toEqual(base);
    const adapted = await json<Made>(
      ...['generate', 'free offer', ...LLAMA(), '--max-new-tokens', '6', '--adapter', at('llama/adapter')],
    );
    expect(adapted.completion).not.toBe(base.completion);
  });

  it('takes the likeliest token that the merged model gives too', async () => {
    await json('adapter', 'merge', at('llama/adapter'), ...LLAMA(), '--out', at('merged-for-text'));
    const bundle = await openBundle(at('llama/bundle'), { verify: false });
    const tokenizer = await bundle.openTokenizer();
    const ids = tokenizer.startOf('free offer');
    const tensor = (data: BigInt64Array) => ({ dims: [1, ids.length], data });
    const logits = await run(at('merged-for-text/onnx/model.onnx'), {
      input_ids: tensor(BigInt64Array.from(ids, BigInt)),
      attention_mask: tensor(new BigInt64Array(ids.length).fill(1n)),
    });
    const last = logits.slice(-24);
    const best = last.indexOf(Math.max(...last));
    const { text, ended } = await json<Made>(
      ...['generate', 'free offer', ...LLAMA(), '--max-new-tokens', '1', '--adapter', at('llama/adapter')],
    );
    const expected = ended === 'end token' ? ids : [...ids, best];
    expect(text).toBe(tokenizer.decode(expected));
  });

  it('draws from the seed', async () => {
    const draw = (seed: string): Promise<Made> =>
      json('generate', 'the', ...LLAMA(), '--temperature', '2', '--top-p', '0.95', '--seed', seed);
    expect(await draw('1')).toEqual(await draw('1'));
    expect((await draw('2')).text).not.toBe((await draw('1')).text);
  });

  it.each<[string, () => string[], RegExp]>([
    ['a classifier', () => ['generate', 'x', ...BERT()], /text-classification; only a language model/],
    ['an odd temperature', () => ['generate', 'x', ...LLAMA(), '--temperature=-1'], /temperature -1/],
    ['no bundle', () => ['generate', 'x', '--bundle', at('nothing')], /is no bundle/],
    [
      'another model’s adapter',
      () => ['generate', 'x', ...LLAMA(), '--adapter', at('bert/adapter')],
      /has no module classifier/,
    ],
    [
      'a prompt that fills all positions',
      () => ['generate', 'free '.repeat(40), ...LLAMA()],
      /positions for 32/,
    ],
  ])('refuses %s', async (_, args, message) => {
    const { code, err } = await cli(args());
    expect(code).toBe(1);
    expect(err).toMatch(message);
  });
});

describe('fedrot evaluate', () => {
  it('scores a classifier with and without its adapter as the engine does', async () => {
    const texts = ['free money', 'meeting tomorrow', 'win', 'the list of mail', 'cheap offer !'];
    const file = at('texts.jsonl');
    const labels = ['spam', 'ham', 'spam', 'ham', 'spam'];
    writeFileSync(
      file,
      texts.map((text, i) => `${JSON.stringify({ body: text, kind: labels[i] })}\n`).join(''),
    );
    const flags = [file, ...BERT(), '--text-column', 'body', '--label-column', 'kind', '--threads', '1'];
    const scores = await json<Record<string, number>>('evaluate', ...flags, '--adapter', at('bert/adapter'));
    expect(Object.keys(scores).sort()).toEqual(['accuracy', 'examples', 'f1', 'loss']);
    expect(scores.examples).toBe(5);

    const bundle = await openBundle(at('bert/bundle'), { verify: false });
    const tokenizer = await bundle.openTokenizer();
    const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, SETTINGS.bert) });
    trainer.load(await tensorsOf('bert'));
    let [loss, hits] = [0, 0];
    for (const [i, text] of texts.entries()) {
      const { ids } = tokenizer.encode(text, { maxTokens: 20 });
      const tensor = (value: (id: number) => number) => ({
        dims: [1, ids.length],
        data: BigInt64Array.from(ids, (id) => BigInt(value(id))),
      });
      const result = await trainer.evaluate({
        inputs: {
          input_ids: tensor((id) => id),
          attention_mask: tensor(() => 1),
          token_type_ids: tensor(() => 0),
        },
        labels: { dims: [1], data: BigInt64Array.of(labels[i] === 'spam' ? 1n : 0n) },
      });
      loss += result.lossSum / 5;
      hits += result.correct / 5;
    }
    await trainer.close();
    expect(scores.loss).toBeCloseTo(loss, 5);
    expect(scores.accuracy).toBeCloseTo(hits, 12);

    const base = await json<Record<string, number>>('evaluate', ...flags);
    expect(base.loss).not.toBeCloseTo(loss, 3);
    const { out } = await cli(['evaluate', ...flags]);
    expect(out).toMatch(/^examples +5$/m);
  });

  it('scores language models on plain texts, and on completions alone', async () => {
    const file = at('pairs.jsonl');
    writeFileSync(file, `${JSON.stringify({ text: 'free offer', q: 'the meeting', a: 'tomorrow' })}\n`);
    const plain = await json<Record<string, number>>('evaluate', file, ...LLAMA());
    expect(plain.perplexity).toBeCloseTo(Math.exp(plain.loss ?? NaN), 6);
    const completion = await json<Record<string, number>>(
      ...['evaluate', file, ...LLAMA(), '--prompt-column', 'q', '--completion-column', 'a'],
    );
    expect(completion.perplexity).not.toBeCloseTo(plain.perplexity ?? NaN, 3);
  });

  it('says what is wrong with the data', async () => {
    const file = at('odd.jsonl');
    writeFileSync(file, `${JSON.stringify({ text: 'free', label: 'eggs' })}\n`);
    expect(await cli(['evaluate', file, ...BERT()])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/odd\.jsonl:1.*eggs/) as string,
    });
  });

  it.each([
    [['--batch-size', '0'], /--batch-size 0: must be a whole number of at least 1/],
    [['--threads', '1.5'], /--threads 1\.5: must be a whole number/],
    [['--prompt-column', 'text'], /prompt and completion go together/],
    [['--tags-column', 'label'], /words and tags/],
    [['--format', 'csv'], /fine\.jsonl:1: has a quote inside a field/],
  ])('says what is wrong with %j', async (flags, message) => {
    const file = at('fine.jsonl');
    writeFileSync(file, `${JSON.stringify({ text: 'free', label: 'spam' })}\n`);
    const { code, err } = await cli(['evaluate', file, ...BERT(), ...flags]);
    expect(code).toBe(1);
    expect(err).toMatch(message);
  });
});

describe('fedrot adapter merge', () => {
  it.each(['bert', 'llama'] as const)(
    '%s: a folder whose model gives the logits of base and adapter',
    async (name) => {
      const out = at(`merged-${name}`);
      const said = await json<{
        folder: string;
        file: string;
        bytes: number;
        merged: number;
        attached: string[];
      }>(...['adapter', 'merge', at(name, 'adapter'), '--bundle', at(name, 'bundle'), '--out', out]);
      expect(said).toMatchObject({ folder: out, file: 'onnx/model.onnx', attached: [] });
      const bundle = await openBundle(at(name, 'bundle'), { verify: false });
      const resolved = resolveLora(bundle, SETTINGS[name]);
      expect(said.merged).toBe(resolved.lora.length);
      const dims = [2, 4];
      const all = {
        input_ids: { dims, data: BigInt64Array.of(2n, 6n, 9n, 3n, 2n, 7n, 3n, 0n) },
        attention_mask: { dims, data: BigInt64Array.of(1n, 1n, 1n, 1n, 1n, 1n, 1n, 0n) },
        token_type_ids: { dims, data: new BigInt64Array(8) },
      };
      const inputs = Object.fromEntries(
        bundle.manifest.model.inputs.map(({ name: input }) => [input, all[input as keyof typeof all]]),
      );
      const labels =
        name === 'bert' ? { dims: [2], data: BigInt64Array.of(0n, 1n) } : { dims, data: all.input_ids.data };
      const trainer = await Trainer.open({ folder: bundle.folder, ...resolved });
      trainer.load(await tensorsOf(name));
      const { logits } = await trainer.evaluate({ inputs, labels });
      await trainer.close();
      expect(relativeError(await run(join(out, said.file), inputs), logits.data)).toBeLessThan(1e-5);
      if (name === 'bert')
        expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({
          id2label: { 0: 'ham', 1: 'spam' },
        });
    },
  );

  it('refuses a folder that is there, and what is no adapter', async () => {
    mkdirSync(at('taken'));
    writeFileSync(at('taken/file'), '');
    const merge = (adapter: string, out: string) =>
      cli(['adapter', 'merge', adapter, ...BERT(), '--out', out]);
    expect(await merge(at('bert/adapter'), at('taken'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/already exists/) as string,
    });
    expect(await merge(at('bert/bundle'), at('new'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/adapter_config\.json/) as string,
    });
  });
});

describe('fedrot run create --adapter', () => {
  const dryRun = (...args: string[]) =>
    cli(['run', 'create', ...LLAMA(), '--name', 'more', '--dry-run', '--json', ...args]);

  it('takes the settings of the adapter unless others are given', async () => {
    const { code, out } = await dryRun('--adapter', at('llama/adapter'));
    expect(code).toBe(0);
    expect((JSON.parse(out) as { lora: unknown }).lora).toEqual(SETTINGS.llama);
    const other = await dryRun('--adapter', at('llama/adapter'), '--lora-alpha', '9');
    expect((JSON.parse(other.out) as { lora: { alpha: number } }).lora.alpha).toBe(9);
  });
});
