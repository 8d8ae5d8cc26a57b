import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { peftMissing, pythonHas, runPython } from '../support/python.js';
import { repoPath } from '../support/repo.js';

/** Architectures that neither the importer nor the golden data know; make_more_goldens.py has more. */
const NAMES = ['albert', 'gpt-neox', 'qwen3-moe'];

interface Row {
  readonly folder: string;
  readonly source: string;
  readonly ok: boolean;
  readonly error: number | null;
}

const home = mkdtempSync(join(tmpdir(), 'fedrot-more-goldens-'));
afterAll(() => rmSync(home, { recursive: true }));
const able = pythonHas('peft') && pythonHas('onnx') && pythonHas('onnxscript');

describe.skipIf(!able)(`exports of other architectures${able ? '' : ` (${peftMissing})`}`, () => {
  test('train as PyTorch + PEFT do, from both exporters and several opsets', { timeout: 600_000 }, () => {
    runPython('make_more_goldens.py', { out: home, names: NAMES });
    const { stdout } = spawnSync(process.execPath, [repoPath('scripts/goldens.mjs'), home], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    const rows = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row);
    const checked = rows.filter(({ error, source }) => error !== null && source !== 'checkpoint');
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    for (const name of NAMES) {
      const sources = new Set(checked.filter(({ folder }) => folder === name).map(({ source }) => source));
      expect(sources.size, name).toBeGreaterThan(2);
    }
  });
});
