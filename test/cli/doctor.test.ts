import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/cli/doctor/finding.js';
import { checkMemory } from '../../src/cli/doctor/machine.js';
import { labelCounts } from '../../src/cli/doctor/data.js';
import { clientConfigSchema } from '../../src/client/config.js';
import { FakeCoordinator } from '../client/fake-coordinator.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { Consortium } from '../security/support/consortium.js';
import { startTestCoordinator } from '../server/support/harness.js';
import { cli } from './support/context.js';

let folder: string;
let coordinator: FakeCoordinator;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-doctor-'));
  coordinator = new FakeCoordinator();
  await coordinator.start();
  writeFileSync(
    join(folder, 'data.jsonl'),
    ['ham', 'ham', 'spam']
      .map((label) => `${JSON.stringify({ text: 'the-patient-has-a-name', label })}\n`)
      .join(''),
  );
});
afterEach(async () => {
  await coordinator.stop();
  rmSync(folder, { recursive: true, force: true });
});

const args = (changes: Readonly<Record<string, string>> = {}): string[] =>
  Object.entries({
    '--name': 'north',
    '--coordinator': coordinator.address,
    '--folder': join(folder, 'silo'),
    '--data-train': join(folder, 'data.jsonl'),
    ...changes,
  }).flat();

async function doctor(
  changes: Readonly<Record<string, string>> = {},
): Promise<{ code: number; findings: Finding[] }> {
  const { code, out, err } = await cli(['doctor', ...args(changes), '--json']);
  expect(err).toBe('');
  return { code, findings: JSON.parse(out) as Finding[] };
}

const of = (findings: readonly Finding[], check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check);

describe('fedrot doctor', () => {
  it('finds a healthy silo healthy, tells its labels and none of its texts', async () => {
    const { code, findings } = await doctor();
    expect(code).toBe(0);
    expect(findings.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(of(findings, 'training data')?.message).toContain(
      '3 examples; 2 labels: "ham" 2 (66.7 %), "spam" 1 (33.3 %)',
    );
    expect(of(findings, 'connection')?.message).toContain('answers in');
    expect(of(findings, 'clock')?.outcome).toBe('ok');
    expect(of(findings, 'runtime')?.message).toContain('ONNX Runtime loads');
    expect(of(findings, 'disk')?.outcome).not.toBe('fail');
    expect(of(findings, 'model')?.outcome).toBe('skip');
    expect(JSON.stringify(findings)).not.toContain('patient');
    expect(coordinator.registrations).toEqual([]);
  });

  it('says it in words, with what to do, and exits with 1', async () => {
    const { code, out } = await cli(['doctor', ...args({ '--data-columns-text': 'body' })]);
    expect(code).toBe(1);
    expect(out).toContain('✗ data');
    expect(out).toContain('→ name the columns with data.columns');
    expect(out).toContain('1 thing keeps this silo from working');
  });

  it.each([
    [
      'a coordinator that is not there',
      { '--coordinator': '127.0.0.1:1' },
      'connection',
      /nothing listens there/,
    ],
    [
      'a file that is not there',
      { '--data-train': '/nowhere/x.jsonl' },
      'data',
      /name the file with data.train/,
    ],
    ['no credential', { '--coordinator': 'coordinator.example.org:9470' }, 'certificate', /fedrot enrol/],
    ['a folder that cannot be made', { '--folder': '/dev/null/fedrot' }, 'disk', /right to write there/],
    ['a setting that is wrong', { '--threads': 'many' }, 'configuration', /docs\/configuration.md/],
  ])('%s', async (_, changes, check, fix) => {
    const { code, findings } = await doctor(changes);
    expect(code).toBe(1);
    expect(of(findings, check)).toMatchObject({ outcome: 'fail' });
    expect(of(findings, check)?.fix).toMatch(fix);
  });

  it('a clock that is off', async () => {
    coordinator.clockOffMs = 120_000;
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(of(findings, 'clock')?.message).toMatch(/(2 min 0 s|1 min 59 s|119\.\d s) ahead of/);
  });

  it('a coordinator that speaks other protocols', async () => {
    const running = await startTestCoordinator(join(folder, 'data'), {}, { protocol: { min: 2, max: 3 } });
    try {
      const { code, findings } = await doctor({ '--coordinator': running.address });
      expect(code).toBe(1);
      expect(of(findings, 'version')).toMatchObject({
        outcome: 'fail',
        message: expect.stringContaining('speaks protocols 2 to 3, this silo 1 to 1') as string,
      });
    } finally {
      await running.close();
    }
  });

  it('one label only', async () => {
    writeFileSync(join(folder, 'data.jsonl'), '{"text":"a","label":"ham"}\n');
    const { code, findings } = await doctor();
    expect(code).toBe(0);
    expect(of(findings, 'training data')?.outcome).toBe('warn');
  });

  it('a model whose bytes have changed', async () => {
    const bundle = await tinyBundle(await tinyCheckpoint());
    const kept = join(folder, 'silo/bundles', bundle.sha256);
    mkdirSync(join(folder, 'silo/bundles'), { recursive: true });
    cpSync(bundle.folder, kept, { recursive: true });
    expect(of((await doctor()).findings, 'model')).toMatchObject({ outcome: 'ok' });
    writeFileSync(join(kept, 'tokenizer.json'), '{}');
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(of(findings, 'model')?.fix).toContain(`delete ${kept}`);
  });

  it('little memory', () => {
    const config = clientConfigSchema.parse({ name: 'a', data: { train: 'x' } });
    expect(checkMemory(config, { free: 1e9, total: 8e9 }).outcome).toBe('warn');
    expect(checkMemory(config, { free: 6e9, total: 8e9 }).outcome).toBe('ok');
  });

  it('counts the labels of words too', () => {
    const words = [
      { word: 'a', tag: 'O' },
      { word: 'b', tag: 'B-PER' },
      { word: 'c', tag: 'O' },
    ];
    expect(labelCounts([{ line: 1, text: 'a b c', label: '', words }])).toEqual([
      ['O', 2],
      ['B-PER', 1],
    ]);
  });
});

describe('over TLS', () => {
  it('an enrolled silo, one under another name, and one that was put out', async () => {
    const consortium = await Consortium.start();
    const credential = join(folder, 'silo/credential');
    await consortium.enrol(await consortium.token('silo', 'north'), credential);
    const tls = { '--coordinator': consortium.address, '--security-mode': 'tls' };
    const fine = await doctor(tls);
    expect(fine.findings.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(of(fine.findings, 'certificate')?.message).toContain('silo north');
    const other = await doctor({ ...tls, '--name': 'south' });
    expect(of(other.findings, 'certificate')?.fix).toContain('set name to north');
    await consortium.admin().revokeParty({ kind: 'silo', name: 'north', serial: '', reason: 'test' });
    const out = await doctor(tls);
    expect(out.code).toBe(1);
    expect(of(out.findings, 'connection')?.outcome).toBe('fail');
    expect(of(out.findings, 'connection')?.fix).toMatch(/put out|refused/);
  });
});
