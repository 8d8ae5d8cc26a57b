import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect } from 'vitest';
import { tinyCheckpoint } from '../model/tiny-bundle.js';
import { mails } from '../ops/support/federation.js';
import { e2e, freePort } from '../support/e2e.js';
import { MAIN } from '../support/processes.js';
import { repoPath } from '../support/repo.js';
import { commandsOf } from './support/blocks.js';

const PAGE = 'docs/quick-start.md';
const text = readFileSync(repoPath(PAGE), 'utf8');
const commands = commandsOf(PAGE, text);
const of = (section: string): string[] =>
  commands.filter((command) => command.section === section).map((command) => command.text);
const SILOS = ['hospital-a', 'hospital-b'];
/** Run elsewhere: test/docs/support/tied.ts says where. */
const ELSEWHERE = /^npm run demo$|^ONNXRUNTIME_NODE_INSTALL=skip npm install/;

/** The two labels that the tiny checkpoint was made for are called as the page calls them. */
const LABELS = ['ham', 'spam'];

e2e('the quick start, as it stands', async ({ folder, processes }) => {
  const port = await freePort();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'fedrot'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, {
    mode: 0o755,
  });
  const environment = (home: string): Record<string, string> => ({
    PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
    HOME: home,
    FEDROT_GRPC_PORT: String(port),
    FEDROT_HTTP_PORT: '0',
    FEDROT_COORDINATOR: `localhost:${port}`,
    FEDROT_THREADS: '1',
    FEDROT_LOG_FORMAT: 'json',
  });
  /** The documents' names as they are on this machine. */
  const here = (command: string): string =>
    command
      .replaceAll('coordinator.example.org:9470', `localhost:${port}`)
      .replaceAll('coordinator.example.org', 'localhost');
  const done: string[] = [];
  const failed: string[] = [];
  let exported: Record<string, string> = {};

  const run = (command: string, cwd: string): string => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', here(command)], {
      cwd,
      encoding: 'utf8',
      env: { ...environment(cwd), ...exported },
      timeout: 120_000,
    });
    done.push(command);
    if (status !== 0) failed.push(`${command}\n${stdout}${stderr}`);
    expect(failed, failed.join('\n')).toEqual([]);
    return stdout;
  };
  /** A daemon, as one leaves it running in a terminal. */
  const start = (name: string, command: string, cwd: string) => {
    done.push(command);
    const [, ...args] = here(command).split(' ');
    return processes.start(name, [...args, '--json'], { cwd, env: environment(cwd) });
  };

  const operator = join(folder, 'operator');
  mkdirSync(operator);
  cpSync(join(await tinyCheckpoint(), 'checkpoint'), join(operator, 'checkpoint'), { recursive: true });
  const [, yaml = ''] = /<!-- file: run\.yaml -->\s+```yaml\n([^]*?)```/.exec(text) ?? [];
  expect(yaml).toContain('rounds');
  writeFileSync(join(operator, 'run.yaml'), yaml);

  const enrolments = new Map<string, string>();
  let joined = false;
  for (const command of of('Operator')) {
    if (command.startsWith('fedrot coordinator')) await start('coordinator', command, operator).ready();
    else if (command.startsWith('export ')) {
      const [name = '', value = ''] = command.slice('export '.length).split('=');
      exported = { ...exported, [name]: value };
      done.push(command);
    } else {
      // `When the silos are there`
      if (command.startsWith('fedrot silo list') && !joined) {
        joined = true;
        for (const silo of SILOS) await administrate(silo, enrolments.get(silo) ?? '');
      }
      const printed = run(command, operator);
      const [, name] = /token create --silo (\S+)/.exec(command) ?? [];
      if (name !== undefined) enrolments.set(name, printed);
      if (command.startsWith('fedrot silo list')) for (const silo of SILOS) expect(printed).toContain(silo);
    }
  }
  expect(readFileSync(join(operator, 'adapter/adapter_config.json'), 'utf8')).toContain('LORA');
  for (const command of of('Researcher')) if (!ELSEWHERE.test(command)) run(command, operator);

  async function administrate(name: string, printed: string): Promise<void> {
    const [, token = ''] = /--token (\S+)/.exec(printed) ?? [];
    const [, fingerprint = ''] = /--fingerprint (\S+)/.exec(printed) ?? [];
    expect(token).not.toBe('');
    const silo = join(folder, name);
    mkdirSync(silo);
    mails(join(silo, 'train.jsonl'), LABELS);
    const kept = exported;
    exported = {};
    for (const command of of('Silo administrator')) {
      if (command.startsWith('fedrot client')) await start(name, command, silo).ready();
      else run(command.replace('TOKEN', token).replace('FINGERPRINT', fingerprint), silo);
    }
    exported = kept;
  }

  // Nothing of the page was left out.
  const expected = commands.map((command) => command.text).filter((command) => !ELSEWHERE.test(command));
  const plain = (command: string): string =>
    command.replace(/--token \S+ --fingerprint \S+/, '--token TOKEN --fingerprint FINGERPRINT');
  expect(expected.filter((command) => !done.map(plain).includes(command))).toEqual([]);
});
