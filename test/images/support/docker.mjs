#!/usr/bin/env node
// As much of `docker` as the pages for users ask for, by buildah, so that their commands run where there is no container engine.
// What it cannot do without the kernel's help it leaves out: networks of their own (all share this machine's, and every name of
// REHEARSAL_HOSTS is this machine), read-only root file systems, ports that differ inside and outside.
//
//   REHEARSAL_FOLDER   volumes, logs and what is known of containers
//   REHEARSAL_HOSTS    names that containers ask for
//   REHEARSAL_ENV      JSON: environment of every container
//   REHEARSAL_BUILT    set where nothing is to be built once more: images are those of before
import { spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const FOLDER = process.env.REHEARSAL_FOLDER;
/** The user `node` of the images, who owns new volumes. */
const NODE_USER = 1000;
const MARK = 'FEDROT_REHEARSED_IN';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const known = (name) => join(FOLDER, `${name}.json`);
const logOf = (name) => join(FOLDER, `${name}.log`);
const local = (image) => `localhost/${image}`;

function fail(message) {
  process.stderr.write(`docker: ${message}\n`);
  process.exit(125);
}

function buildah(...args) {
  const { status, stdout, stderr } = spawnSync('buildah', args, { encoding: 'utf8' });
  if (status !== 0) fail(`buildah ${args.join(' ')}\n${stderr}`);
  return stdout.trim();
}

/**
 * Takes the image's own volumes out of a container's settings. Where one has the path of a `-v`, buildah 1.28 lets an unstable sort
 * of its mounts say which of the two is seen: every few containers, what was written was gone with the container.
 */
function forgetVolumes(container, volumes) {
  for (const path of Object.keys(volumes ?? {})) buildah('config', '--volume', `${path}-`, container);
}

/** The folder of this machine behind `volume:/inside` or `./path:/inside`. */
function mount(text) {
  const [source, ...rest] = text.split(':');
  if (/^[./]/.test(source)) return [resolve(source), ...rest].join(':');
  const folder = join(FOLDER, 'volumes', source);
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    chownSync(folder, NODE_USER, NODE_USER);
  }
  return [folder, ...rest].join(':');
}

/** `buildah run` in a container, with what it was started with. */
function runArgs({ name, container, volumes, environment, user }, command) {
  const hosts = join(FOLDER, 'hosts');
  writeFileSync(hosts, `127.0.0.1 localhost ${process.env.REHEARSAL_HOSTS ?? ''}\n`);
  const settings = {
    REHEARSAL_FOLDER: FOLDER,
    ...JSON.parse(process.env.REHEARSAL_ENV ?? '{}'),
    ...environment,
    [MARK]: name,
  };
  return [
    ...['run', '--no-hosts', '-v', `${hosts}:/etc/hosts:ro`],
    ...volumes.flatMap((volume) => ['-v', volume]),
    ...Object.entries(settings).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...(user === undefined ? [] : ['--user', user]),
    ...[container, '--', ...command],
  ];
}

/** Runs to its end; the exit code is that of the command. */
function runToEnd(container, command) {
  return spawnSync('buildah', runArgs(container, command), { stdio: 'inherit' }).status ?? 1;
}

const OPTIONS = {
  detach: { type: 'boolean', short: 'd' },
  rm: { type: 'boolean' },
  'read-only': { type: 'boolean' },
  name: { type: 'string' },
  network: { type: 'string' },
  tmpfs: { type: 'string' },
  publish: { type: 'string', short: 'p', multiple: true },
  volume: { type: 'string', short: 'v', multiple: true },
  env: { type: 'string', short: 'e', multiple: true },
  user: { type: 'string', short: 'u' },
};

/** Options end where the image's name begins. */
function splitAtImage(args) {
  for (let at = 0; at < args.length; at++) {
    const flag = args[at];
    if (!flag.startsWith('-')) return [args.slice(0, at), flag, args.slice(at + 1)];
    const entry = Object.entries(OPTIONS).find(([long, { short }]) =>
      [`--${long}`, `-${short}`].includes(flag),
    );
    if (entry === undefined) fail(`this rehearsal does not know ${flag}`);
    if (entry[1].type === 'string') at += 1;
  }
  return fail('which image?');
}

const COMMANDS = {
  build(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { target: { type: 'string' }, tag: { type: 'string', short: 't' } },
      allowPositionals: true,
    });
    const context = resolve(positionals[0] ?? fail('which context?'));
    if (process.env.REHEARSAL_BUILT) return buildah('images', '-q', local(values.tag)) === '' ? 1 : 0;
    const rc = spawnSync('npm', ['config', 'get', 'userconfig'], { encoding: 'utf8' }).stdout.trim();
    const { status } = spawnSync(
      'buildah',
      [
        ...['build', '--isolation', 'chroot', '--pull-never', '--layers'],
        ...(existsSync(rc) ? ['-v', `${rc}:${join('/', 'root', '.npmrc')}:ro`] : []),
        ...['--target', values.target, '-t', local(values.tag), '-f', join(context, 'Dockerfile'), context],
      ],
      { stdio: 'inherit' },
    );
    return status;
  },
  network: () => 0,
  async run(args) {
    const [options, image, command] = splitAtImage(args);
    const { values } = parseArgs({ args: options, options: OPTIONS });
    const container = buildah('from', local(image));
    const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', local(image)));
    const { Entrypoint = [], Cmd = [], Volumes = {} } = OCIv1.config;
    forgetVolumes(container, Volumes);
    const name = values.name ?? container;
    const what = {
      name,
      container,
      volumes: (values.volume ?? []).map(mount),
      environment: Object.fromEntries((values.env ?? []).map((each) => each.split(/=(.*)/s).slice(0, 2))),
      user: values.user,
    };
    const whole = [...Entrypoint, ...(command.length > 0 ? command : Cmd)];
    writeFileSync(known(name), JSON.stringify(what));
    if (values.detach !== true) {
      const status = runToEnd(what, whole);
      COMMANDS.rm([name]);
      return status;
    }
    const log = openSync(logOf(name), 'a');
    const child = spawn('buildah', runArgs(what, whole), { detached: true, stdio: ['ignore', log, log] });
    // As Docker does: back when the container has started.
    while (child.exitCode === null && daemonsOf(name).length === 0) await sleep(50);
    child.unref();
    process.stdout.write(`${container}\n`);
    return 0;
  },
  exec: ([name, ...command]) => runToEnd(JSON.parse(readFileSync(known(name), 'utf8')), command),
  logs([name]) {
    process.stdout.write(readFileSync(logOf(name)));
    return 0;
  },
  /** SIGTERM to the daemons, and waits until they have drained. */
  async stop(names) {
    for (const name of names) {
      for (const pid of daemonsOf(name)) process.kill(pid, 'SIGTERM');
      while (daemonsOf(name).length > 0) await sleep(100);
    }
    return 0;
  },
  rm(names) {
    for (const name of names) {
      buildah('rm', JSON.parse(readFileSync(known(name), 'utf8')).container);
      rmSync(known(name));
    }
    return 0;
  },
};

function daemonsOf(name) {
  const mark = `\0${MARK}=${name}\0`;
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const environment = `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`;
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return (
          environment.includes(mark) &&
          environment.includes(`\0REHEARSAL_FOLDER=${FOLDER}\0`) &&
          /(^|\/)node\0/.test(command)
        );
      } catch {
        return false; // it has just ended
      }
    })
    .map(Number);
}

if (FOLDER === undefined) fail('REHEARSAL_FOLDER says where volumes are');
mkdirSync(FOLDER, { recursive: true });
const [command, ...args] = process.argv.slice(2);
const act = COMMANDS[command] ?? fail(`this rehearsal does not know docker ${command}`);
process.exit(await act(args));
