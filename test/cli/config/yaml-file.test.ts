import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readValue } from '../../../src/cli/config/read-value.js';
import { readYamlFile } from '../../../src/cli/config/yaml-file.js';
import { FedrotError } from '../../../src/errors.js';

function read(text: string): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-yaml-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'file.yaml');
  writeFileSync(path, text);
  try {
    return readYamlFile(path);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FedrotError);
    return (thrown as FedrotError).code;
  }
}

const level = (n: number): string => `l${n}: &l${n} [${`*l${n - 1}, `.repeat(9)}*l${n - 1}]`;
const laughs = ['l0: &l0 [x]', ...Array.from({ length: 12 }, (_, n) => level(n + 1))].join('\n');

test('aliases that multiply, an alias of nothing and endless nesting are bad configurations, not crashes', () => {
  expect(read(laughs)).toBe('config_invalid');
  expect(read('a: *nothing')).toBe('config_invalid');
  expect(read(`a: ${'['.repeat(20_000)}`)).toBe('config_invalid');
  expect(read('? '.repeat(20_000))).toBe('config_invalid');
  expect(() => readValue('yaml', `{a: ${'['.repeat(20_000)}`, '--task')).toThrow(/--task/);
  expect(() => readValue('yaml', laughs, '--task')).toThrow(/is not YAML/);
});

test('an empty file is an empty mapping, a list is none', () => {
  expect(read('')).toEqual({});
  expect(read('- a')).toBe('config_invalid');
  expect(read('a: 1')).toEqual({ a: 1 });
});
