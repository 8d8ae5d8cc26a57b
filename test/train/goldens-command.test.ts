import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repoPath } from '../support/repo.js';

const OWN = repoPath('test/fixtures/golden');
const home = mkdtempSync(join(tmpdir(), 'fedrot-goldens-'));
afterAll(() => rmSync(home, { recursive: true }));

interface Row {
  readonly folder: string;
  readonly source: string;
  readonly adapter: string;
  readonly check: string;
  readonly error: number | null;
  readonly tolerance: number | null;
  readonly ok: boolean;
  readonly message?: string;
}

function goldens(...args: string[]): { status: number | null; rows: Row[]; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [repoPath('scripts/goldens.mjs'), ...args], {
    encoding: 'utf8',
  });
  const rows = stdout.split('\n').filter((line) => line !== '');
  return { status, rows: rows.map((line) => JSON.parse(line) as Row), stderr };
}

describe('npm run goldens', { timeout: 120_000 }, () => {
  it("holds on the project's own models, from checkpoint and ONNX, with and without a trained head", () => {
    const { status, rows } = goldens(OWN);
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    expect(status).toBe(0);
    const runs = new Set(rows.map(({ folder, source, adapter }) => `${folder} ${source} ${adapter}`));
    expect(runs).toContain('bert checkpoint lora');
    expect(runs).toContain('bert model.onnx lora-head');
    expect(runs).toContain('llama checkpoint lora');
    expect(rows.length).toBeGreaterThan(150);
    for (const { error, tolerance } of rows) expect(error).toBeLessThanOrEqual(tolerance ?? NaN);
  });

  it('fails on numbers that differ, and says which', () => {
    const folder = join(home, 'wrong');
    cpSync(join(OWN, 'llama'), folder, { recursive: true });
    const path = join(folder, 'expected.json');
    const scalars = JSON.parse(readFileSync(path, 'utf8')) as { loss_lora: number };
    writeFileSync(path, JSON.stringify({ ...scalars, loss_lora: scalars.loss_lora + 1e-3 }));
    const { status, rows } = goldens(folder, '--source', 'checkpoint');
    expect(status).toBe(1);
    expect(rows.filter(({ ok }) => !ok).map(({ check }) => check)).toEqual([
      'loss_lora.forward',
      'loss_lora',
    ]);
  });

  it('names an architecture that the importer does not know, and goes on', () => {
    const folder = join(home, 'strange');
    cpSync(join(OWN, 'llama'), folder, { recursive: true });
    const path = join(folder, 'checkpoint/config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...config, model_type: 'strangeformer' }));
    const { status, rows } = goldens(folder);
    expect(status).toBe(0);
    const said = rows.filter(({ source }) => source === 'checkpoint');
    expect(said.map(({ error, message }) => [error, (message ?? '').includes('strangeformer')])).toEqual([
      [null, true],
    ]);
  });

  it('says where there is nothing to check', () => {
    expect(goldens(join(home, 'absent'))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('no such folder') as string,
    });
    expect(goldens()).toMatchObject({ status: 2, stderr: expect.stringContaining('usage') as string });
  });
});
