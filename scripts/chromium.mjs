// Sees to it that Chromium is there, for `npm run check`: where it is missing and this is root on Debian or the like, it is
// installed with apt-get; elsewhere a line says what is missing, and the tests that need it skip.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const CHROMIUM = '/usr/bin/chromium';
const say = (text) => process.stderr.write(`fedrot: ${text}\n`);

function install() {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env }).status === 0;
  return apt('update', '-qq') && apt('install', '-y', '-qq', '--no-install-recommends', 'chromium');
}

if (!existsSync(CHROMIUM)) {
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (process.getuid?.() !== 0 || !hasApt)
    say('without Chromium (Debian: apt-get install chromium) the tests of the dashboard are skipped');
  else {
    say('installing chromium');
    if (!install() || !existsSync(CHROMIUM)) {
      say('chromium could not be installed; run `apt-get install chromium` to see why');
      process.exit(1);
    }
  }
}
