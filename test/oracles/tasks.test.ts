import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import type { CreateBundleOptions } from '../../src/model/create-bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { writePeftAdapter } from '../../src/model/peft.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { Random } from '../../src/random.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { Trainer } from '../../src/train/trainer.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { peftMissing, pythonHas, runPython } from '../support/python.js';
import { repoPath } from '../support/repo.js';
import { worstDifference } from '../train/support/finite-differences.js';

/** Logits and loss of both in float32, relative to the largest. */
const TOLERANCE = 1e-4;

interface Case {
  readonly name: string;
  readonly architecture: string;
  readonly model: string;
  readonly labels: number | null;
  readonly create: Partial<CreateBundleOptions>;
  readonly targets: readonly string[];
  readonly saved: readonly string[];
}

const causal = (architecture: string, targets: readonly string[]): Case => ({
  name: `${architecture}, next token`,
  architecture,
  model: 'AutoModelForCausalLM',
  labels: null,
  create: {},
  targets,
  saved: [],
});
const HEADS = ['bert', 'distilbert', 'electra', 'roberta'].flatMap((architecture): Case[] => [
  {
    name: `${architecture}, token classification`,
    architecture,
    model: 'AutoModelForTokenClassification',
    labels: 3,
    create: { task: 'token-classification', labels: ['O', 'B', 'I'], head: 'new' },
    targets: architecture === 'distilbert' ? ['q_lin'] : ['query'],
    saved: ['classifier'],
  },
  {
    name: `${architecture}, regression`,
    architecture,
    model: 'AutoModelForSequenceClassification',
    labels: 1,
    create: { task: 'text-regression', head: 'new' },
    targets: architecture === 'distilbert' ? ['q_lin'] : ['query'],
    saved: architecture === 'distilbert' ? ['pre_classifier', 'classifier'] : ['classifier'],
  },
]);
const CASES: readonly Case[] = [
  ...HEADS,
  causal('gpt2', ['c_attn', 'c_proj']),
  causal('phi3', ['qkv_proj']),
  ...['llama', 'mistral', 'qwen2', 'qwen3', 'gemma', 'gemma2', 'gemma3'].map((name) =>
    causal(name, ['q_proj', 'down_proj']),
  ),
];

const IDS = [
  [2, 6, 9, 11, 3],
  [2, 7, 8, 3, 0],
];
const MASK = IDS.map((row) => row.map((id) => (id === 0 ? 0 : 1)));

function targetsOf({ labels, model }: Case): number[] | number[][] {
  if (labels === 1) return [0.7, -1.2];
  if (model.includes('TokenClassification'))
    return IDS.map((row) => row.map((id) => (id > 3 ? id % 3 : -100)));
  return IDS.map((row) => row.map((id) => (id === 0 ? -100 : id)));
}

interface Scored {
  readonly logits: number[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, number[]>>;
}

/** What both sides are given, and what fedrot says. */
async function prepare(test: Case): Promise<{ home: string; task: object; own: Scored }> {
  const { architecture, create, targets, saved, model, labels } = test;
  let home: string;
  if (labels !== null) home = await tinyCheckpoint(architecture);
  else {
    home = mkdtempSync(join(tmpdir(), 'fedrot-oracle-'));
    cpSync(repoPath('test/data/golden', architecture, 'checkpoint'), join(home, 'checkpoint'), {
      recursive: true,
    });
    writeFileSync(join(home, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  }
  const bundle = await openBundle((await tinyBundle(home, 'bundle', create)).folder, { verify: true });
  const settings = {
    rank: 2,
    alpha: 3,
    rsLora: false,
    dropout: 0,
    targetModules: [...targets],
    modulesToSave: [...saved],
  };
  const random = Random.of('oracle', test.name);
  const tensors = initialAdapter(bundle, settings, 1).map((tensor) => ({
    ...tensor,
    data: tensor.data.map((value) => value + random.normal(0, 0.2)),
  }));
  const adapter = join(home, 'adapter');
  await writePeftAdapter({
    folder: adapter,
    adapter: encodeTensorFile(tensors).bytes,
    settings,
    task: bundle.manifest.task.kind,
  });
  const ints = (rows: readonly (readonly number[])[]) => ({
    dims: [2, 5],
    data: BigInt64Array.from(rows.flat(), BigInt),
  });
  const all: Record<string, ReturnType<typeof ints>> = {
    input_ids: ints(IDS),
    attention_mask: ints(MASK),
    token_type_ids: ints(IDS.map((row) => row.map(() => 0))),
  };
  const inputs = Object.fromEntries(bundle.manifest.model.inputs.map(({ name }) => [name, all[name]!]));
  const given = targetsOf(test);
  // A language model's labels are the tokens themselves; fedrot's stand where they are predicted from.
  const shifted = model.includes('Causal')
    ? (given as number[][]).map((row) => [...row.slice(1), -100])
    : given;
  const loss = labels === 1 ? ('mean-squared-error' as const) : ('cross-entropy' as const);
  const batch = {
    inputs,
    labels:
      labels === 1 ? { dims: [2], data: Float32Array.from(given as number[]) } : ints(shifted as number[][]),
  };
  const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, settings), loss });
  trainer.load(tensors);
  const { logits } = await trainer.evaluate(batch);
  const { gradients, loss: value } = await trainer.gradients(batch);
  await trainer.close();
  return {
    home,
    task: {
      ...{ checkpoint: join(home, 'checkpoint'), adapter, model, labels },
      ...{ input_ids: IDS, attention_mask: MASK, targets: given },
    },
    own: {
      logits: [...logits.data],
      loss: value,
      gradients: Object.fromEntries(gradients.map(({ name, data }) => [name, [...data]])),
    },
  };
}

const ready = pythonHas('torch', 'transformers', 'peft');

describe.skipIf(!ready)(`PyTorch with an adapter that PEFT loaded${ready ? '' : ` (${peftMissing})`}`, () => {
  const homes: string[] = [];
  const own: Scored[] = [];
  let theirs: Scored[] = [];

  beforeAll(async () => {
    const tasks: object[] = [];
    for (const each of CASES) {
      const prepared = await prepare(each);
      homes.push(prepared.home);
      own.push(prepared.own);
      tasks.push(prepared.task);
    }
    theirs = runPython('score_peft.py', tasks) as Scored[];
  }, 300_000);
  afterAll(() => {
    for (const home of homes) rmSync(home, { recursive: true, force: true });
  });

  test.each(CASES.map(({ name }, index) => [name, index] as const))(
    '%s: logits, loss, gradients',
    (_, index) => {
      const [ours, expected] = [own[index]!, theirs[index]!];
      const last = ours.logits.length / IDS.flat().length;
      // Padding has no say: its logits are nobody's business.
      const counted = (values: readonly number[]): number[] =>
        last < 1 ? [...values] : values.filter((_value, i) => MASK.flat()[Math.floor(i / last)] === 1);
      expect(worstDifference(counted(ours.logits), counted(expected.logits))).toBeLessThan(TOLERANCE);
      expect(Math.abs(ours.loss / expected.loss - 1)).toBeLessThan(TOLERANCE);
      expect(Object.keys(ours.gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
      for (const [name, values] of Object.entries(ours.gradients))
        expect(worstDifference(values, expected.gradients[name] ?? []), name).toBeLessThan(TOLERANCE);
    },
  );
});
