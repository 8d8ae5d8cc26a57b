import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareFolder } from '../../../src/cli/demo/layout.js';
import { siloNames } from '../../../src/cli/demo/prepare.js';

describe('prepareFolder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fedrot-layout-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('makes a new folder, and empties one of an earlier demo', () => {
    const layout = prepareFolder(join(folder, 'out'));
    for (const path of [layout.logs, layout.silos, layout.state]) expect(readdirSync(path)).toEqual([]);
    writeFileSync(layout.summary, '{}');
    writeFileSync(join(layout.state, 'x'), '');
    writeFileSync(join(layout.out, 'notes.txt'), 'mine');
    prepareFolder(join(folder, 'out'));
    expect(existsSync(layout.summary)).toBe(false);
    expect(readdirSync(layout.state)).toEqual([]);
    expect(existsSync(join(layout.out, 'notes.txt'))).toBe(true);
  });

  it("leaves anybody else's folder alone", () => {
    mkdirSync(join(folder, 'state'));
    writeFileSync(join(folder, 'state', 'precious'), '');
    expect(() => prepareFolder(folder)).toThrow(
      /holds files that no demo made; name another folder with --out/,
    );
    expect(existsSync(join(folder, 'state', 'precious'))).toBe(true);
  });
});

describe('siloNames', () => {
  it('are in the same order by name as by number', () => {
    const names = siloNames(12);
    expect(names.slice(0, 2)).toEqual(['silo-01', 'silo-02']);
    expect([...names].sort()).toEqual(names);
    expect(siloNames(2)).toEqual(['silo-1', 'silo-2']);
  });
});
