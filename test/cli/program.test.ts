import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMAND_NAMES } from '../../src/cli/program.js';
import { cli } from './support/context.js';

const folder = mkdtempSync(join(tmpdir(), 'fedrot-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A coordinator that nobody runs: port 1 is reserved and refuses at once. */
const NOBODY = '127.0.0.1:1';

describe('help', () => {
  it('names every command', async () => {
    const { code, out, err } = await cli(['--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const name of COMMAND_NAMES) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it.each([
    [['coordinator'], '--data-folder'],
    [['client'], '--data-columns-text'],
    [['run'], 'create'],
    [['run', 'create'], '--training-optimizer'],
    [['run', 'list'], '--json'],
    [['run', 'show'], '<run>'],
    [['run', 'watch'], '--json'],
    [['run', 'stop'], '--reason'],
    [['adapter', 'list'], '--json'],
    [['adapter', 'get'], '--out'],
    [['bundle', 'create'], '--labels'],
    [['bundle', 'push'], '--coordinator'],
    [['bundle', 'list'], '--json'],
    [['silo', 'list'], '--json'],
    [['demo'], '--scramble-basis'],
  ])('%j --help', async (args, expected) => {
    const { code, out, err } = await cli([...args, '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(`Usage: fedrot ${args.join(' ')}`);
    expect(out).toContain(expected);
  });

  it('is found the other way round too, and the version', async () => {
    expect((await cli(['help', 'run'])).out).toContain('Usage: fedrot run');
    expect((await cli(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('what is wrong is said in one line, with exit code 1', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['an unknown command', ['rnu'], /^fedrot: unknown command 'rnu'.*run.*--help$/],
    [
      'an unknown option',
      ['run', 'list', '--jsno'],
      /^fedrot: unknown option '--jsno'.*--json.*see fedrot run --help$/,
    ],
    ['a missing argument', ['run', 'show'], /^fedrot: missing required argument 'run'/],
    ['a missing mandatory option', ['adapter', 'get', 'spam'], /^fedrot: required option .*--out/],
    ['too many arguments', ['run', 'list', 'x'], /^fedrot: too many arguments/],
    [
      'a coordinator that is not there',
      ['run', 'list', '--coordinator', NOBODY],
      /^fedrot: no coordinator answers at 127\.0\.0\.1:1: /,
    ],
    [
      'an address that is none',
      ['run', 'list', '--coordinator', 'nowhere'],
      /^fedrot: --coordinator: "nowhere" is not host:port$/,
    ],
    ['a bundle that is none', ['bundle', 'push', '/nowhere'], /^fedrot: \/nowhere: is no bundle/],
    [
      'a checkpoint that is none',
      ['bundle', 'create', '/nowhere', '--out', '/nowhere/b'],
      /^fedrot: \/nowhere/,
    ],
    [
      'no number where one is due',
      ['demo', '--rounds', 'many'],
      /^fedrot: --rounds: must be a whole number$/,
    ],
    ['a method that is none', ['demo', '--method', 'fedavg'], /^fedrot: --method: must be fedrot or fedit$/],
    ['too few silos', ['demo', '--silos', '0'], /^fedrot: --silos: must be at least 1$/],
  ])('%s', async (_name, args, message) => {
    const { code, out, err } = await cli(args);
    expect(err).toMatch(/^[^\n]+\n$/);
    expect(err.trimEnd()).toMatch(message);
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });

  it('prints a stack with --verbose only', async () => {
    const plain = await cli(['bundle', 'push', '/nowhere']);
    const verbose = await cli(['bundle', 'push', '/nowhere', '--verbose']);
    expect(plain.err).not.toContain('    at ');
    expect(verbose.err).toContain('    at ');
    expect(verbose.err).toContain('[not_found]');
  });
});

describe("the daemons' configuration", () => {
  it.each<[string, readonly string[], Readonly<Record<string, string>>, RegExp]>([
    [
      'an unknown key of the coordinator',
      ['coordinator', '--config', file('c1.yaml', 'dataFolder: x\ngrcp: { port: 1 }\n')],
      {},
      /c1\.yaml: unknown key "grcp"; known here: dataFolder, grpc/,
    ],
    [
      'a missing key of the coordinator',
      ['coordinator', '--config', file('c2.yaml', '')],
      {},
      /c2\.yaml, dataFolder: is required; set it in the file, with --data-folder, or with FEDROT_DATA_FOLDER/,
    ],
    [
      'a bad variable',
      ['coordinator', '--data-folder', 'x'],
      { FEDROT_GRPC_PORT: 'x' },
      /FEDROT_GRPC_PORT: "x" is not a number/,
    ],
    ['a bad flag', ['coordinator', '--data-folder', 'x', '--grpc-port', '99999'], {}, /--grpc-port: .*65535/],
    [
      'an unknown key of the client, file named by a variable',
      ['client'],
      { FEDROT_CONFIG: file('s1.yaml', 'name: a\ndata: { train: x, colums: {} }\n') },
      /s1\.yaml: unknown key "data\.colums"; known here: train, test, format, columns/,
    ],
    ['a client without data', ['client', '--name', 'a'], {}, /data\.train: is required for the role trainer/],
    [
      'a client whose file is not there',
      ['client', '--name', 'a', '--data-train', join(folder, 'none.jsonl')],
      {},
      /none\.jsonl: /,
    ],
    [
      'a client whose file is empty',
      ['client', '--name', 'a', '--data-train', file('empty.jsonl', '')],
      {},
      /empty\.jsonl: .*no examples/,
    ],
    [
      'a client whose file lacks a column',
      ['client', '--name', 'a', '--data-train', file('column.csv', 'body,label\nhello,ham\n')],
      {},
      /column\.csv.*"?text"?/,
    ],
  ])('%s', async (_name, args, environment, message) => {
    const { code, out, err } = await cli(args, environment);
    expect(err.trimEnd().split('\n').at(-1)).toMatch(message);
    expect(err).not.toContain('    at ');
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });
});

describe('run create', () => {
  it('refuses a specification before it asks anybody', async () => {
    const { code, err } = await cli(['run', 'create', '--bundle', folder, '--coordinator', NOBODY]);
    expect(err).toMatch(/^fedrot: .*is no bundle/);
    expect(code).toBe(1);
  });
});
