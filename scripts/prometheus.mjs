// Sees to it that `prometheus` and `promtool` are there, for `npm run check`: where they are missing and this is root on Debian
// or the like, they are installed with apt-get; elsewhere a line says what is missing, and the tests that need them skip.
import { spawnSync } from 'node:child_process';

const has = (tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0;
const TOOLS = ['prometheus', 'promtool'];
const say = (text) => process.stderr.write(`fedrot: ${text}\n`);

function install() {
  // Debian's package starts a service and its exporters; what the tests need are the programs.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env }).status === 0;
  return apt('update', '-qq') && apt('install', '-y', '-qq', '--no-install-recommends', 'prometheus');
}

if (!TOOLS.every(has)) {
  if (process.getuid?.() !== 0 || !has('apt-get')) {
    say(
      `without ${TOOLS.join(' and ')} (Debian: apt-get install prometheus) the tests of rules and dashboards are skipped`,
    );
  } else {
    say('installing prometheus');
    if (!install() || !TOOLS.every(has)) {
      say('prometheus could not be installed; run `apt-get install prometheus` to see why');
      process.exit(1);
    }
  }
}
