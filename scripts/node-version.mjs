// The one statement of the oldest Node is `engines` in package.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A line that says what to do where `version` (as process.versions.node) is older than `>=A.B` allows, else undefined. */
export function nodeTooOld(root, version) {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [major, minor] = engines.node.replace('>=', '').split('.').map(Number);
  const [haveMajor, haveMinor] = version.split('.').map(Number);
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return undefined;
  return `fedrot needs Node.js ${engines.node}; this is ${version}. Install a newer one from https://nodejs.org and try again.`;
}
