import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig, type ConfigSources } from '../../../src/cli/config/layers.js';
import { settingsOf } from '../../../src/cli/config/settings.js';
import { FedrotError } from '../../../src/errors.js';

const schema = z.strictObject({
  name: z.string().min(1),
  grpc: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65535).default(7443) })
    .prefault({}),
  threads: z.int().min(1).optional().describe('Threads of the session'),
  spinning: z.boolean().default(false),
  labels: z.array(z.string()).default([]),
  level: z.enum(['info', 'debug']).default('info'),
  limits: z.record(z.string(), z.number()).default({}),
  maxUpdateBytes: z.int().default(1000),
});

const folder = mkdtempSync(join(tmpdir(), 'fedrot-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'silo.yaml');

function load(yaml: string, rest: Partial<ConfigSources> = {}): z.output<typeof schema> {
  writeFileSync(file, yaml);
  return loadConfig(schema, { file, environment: {}, flags: {}, ...rest });
}

function failure(yaml: string, rest: Partial<ConfigSources> = {}): { code: string; message: string } {
  try {
    load(yaml, rest);
  } catch (thrown) {
    if (thrown instanceof FedrotError)
      return { code: thrown.code, message: thrown.message.replace(folder, '') };
    throw thrown;
  }
  return { code: 'none', message: '' };
}

describe('settingsOf', () => {
  it('names every key as a flag and as a variable', () => {
    expect(settingsOf(schema).map(({ flag, variable, kind }) => [flag, variable, kind])).toEqual([
      ['--name', 'FEDROT_NAME', 'string'],
      ['--grpc-host', 'FEDROT_GRPC_HOST', 'string'],
      ['--grpc-port', 'FEDROT_GRPC_PORT', 'number'],
      ['--threads', 'FEDROT_THREADS', 'number'],
      ['--spinning', 'FEDROT_SPINNING', 'boolean'],
      ['--labels', 'FEDROT_LABELS', 'list'],
      ['--level', 'FEDROT_LEVEL', 'string'],
      ['--limits', 'FEDROT_LIMITS', 'yaml'],
      ['--max-update-bytes', 'FEDROT_MAX_UPDATE_BYTES', 'number'],
    ]);
  });
});

describe('loadConfig', () => {
  it.each<[string, string, Partial<ConfigSources>, number]>([
    ['the default', 'name: x', {}, 7443],
    ['the file over the default', 'name: x\ngrpc: { port: 1 }', {}, 1],
    [
      'the variable over the file',
      'name: x\ngrpc: { port: 1 }',
      { environment: { FEDROT_GRPC_PORT: '2' } },
      2,
    ],
    [
      'the flag over the variable',
      'name: x\ngrpc: { port: 1 }',
      { environment: { FEDROT_GRPC_PORT: '2' }, flags: { '--grpc-port': '3' } },
      3,
    ],
    ['an empty variable is not set', 'name: x', { environment: { FEDROT_GRPC_PORT: '' } }, 7443],
  ])('%s', (_name, yaml, rest, port) => {
    expect(load(yaml, rest).grpc.port).toBe(port);
  });

  it.each<[string, string, unknown, keyof z.output<typeof schema>]>([
    ['FEDROT_SPINNING', 'true', true, 'spinning'],
    ['FEDROT_SPINNING', 'off', false, 'spinning'],
    ['FEDROT_LABELS', 'ham, spam', ['ham', 'spam'], 'labels'],
    ['FEDROT_LABELS', '["a, b", c]', ['a, b', 'c'], 'labels'],
    ['FEDROT_LIMITS', '{cpu: 2}', { cpu: 2 }, 'limits'],
    ['FEDROT_MAX_UPDATE_BYTES', '1e6', 1e6, 'maxUpdateBytes'],
    ['FEDROT_NAME', '12', '12', 'name'],
  ])('%s=%s', (variable, text, value, key) => {
    expect(load('name: x', { environment: { [variable]: text } })[key]).toEqual(value);
  });

  it('is frozen, deep down', () => {
    const config = load('name: x');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.grpc)).toBe(true);
  });

  it('leaves variables that belong to no key alone', () => {
    expect(load('name: x', { environment: { FEDROT_COORDINATOR_SERVICE_HOST: '10.0.0.1' } }).name).toBe('x');
  });

  it.each<[string, string, Partial<ConfigSources>, string, RegExp]>([
    [
      'an unknown key',
      'name: x\nnmae: y',
      {},
      'config_unknown_key',
      /^\/silo\.yaml: unknown key "nmae"; known here: name, grpc,/,
    ],
    [
      'an unknown key inside',
      'name: x\ngrpc: { prot: 1 }',
      {},
      'config_unknown_key',
      /^\/silo\.yaml: unknown key "grpc\.prot"; known here: host, port$/,
    ],
    [
      'a missing key',
      'grpc: { port: 1 }',
      {},
      'config_invalid',
      /^\/silo\.yaml, name: is required; set it in the file, with --name, or with FEDROT_NAME$/,
    ],
    [
      'a wrong type in the file',
      'name: x\ngrpc: { port: many }',
      {},
      'config_invalid',
      /^\/silo\.yaml, grpc\.port: /,
    ],
    [
      'a value out of range from a flag',
      'name: x',
      { flags: { '--grpc-port': '70000' } },
      'config_invalid',
      /^--grpc-port: .*65535/,
    ],
    [
      'no number in a variable',
      'name: x',
      { environment: { FEDROT_GRPC_PORT: 'abc' } },
      'config_invalid',
      /^FEDROT_GRPC_PORT: "abc" is not a number$/,
    ],
    [
      'a value that is none of the choices',
      'name: x\nlevel: loud',
      {},
      'config_invalid',
      /^\/silo\.yaml, level: .*"info"\|"debug"/,
    ],
    ['an item inside a list', 'name: x\nlabels: [a, 3]', {}, 'config_invalid', /^\/silo\.yaml, labels\.1: /],
    ['broken YAML', 'name: [x', {}, 'config_invalid', /^\/silo\.yaml:1:\d+: /],
    ['a key twice', 'name: x\nname: y', {}, 'config_invalid', /^\/silo\.yaml:2:1: /],
    [
      'a list where keys are due',
      '- a\n- b',
      {},
      'config_invalid',
      /^\/silo\.yaml: must hold keys and values/,
    ],
    [
      'no such file',
      'name: x',
      { file: '/nowhere/silo.yaml' },
      'not_found',
      /^\/nowhere\/silo\.yaml: no such file$/,
    ],
    ['a folder', 'name: x', { file: '/' }, 'config_invalid', /^\/: is a folder, not a file$/],
  ])('%s', (_name, yaml, rest, code, message) => {
    const failed = failure(yaml, rest);
    expect(failed.message).toMatch(message);
    expect(failed.message).not.toContain('\n');
    expect(failed.code).toBe(code);
  });
});
