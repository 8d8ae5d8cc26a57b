// Known vulnerabilities in what users install, and a bill of materials of everything in the lock file.
//
//   node scripts/audit-deps.mjs            both
//   node scripts/audit-deps.mjs --sbom     the bill of materials alone: it needs no network
//   node scripts/audit-deps.mjs --audit    the audit alone
//
// The bill of materials (CycloneDX, .cache/sbom.cdx.json) comes from the lock file. The audit asks the registry; where that has
// no such service or cannot be reached, it says so and skips: an outage is no vulnerability. Any finding from `high` on fails.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const npm = (...args) =>
  spawnSync('npm', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    timeout: 120_000,
    shell: process.platform === 'win32',
  });
const say = (line) => process.stdout.write(`${line}\n`);

function sbom() {
  const { status, stdout, stderr } = npm(
    'sbom',
    '--package-lock-only',
    '--sbom-format=cyclonedx',
    '--sbom-type=application',
  );
  if (status !== 0) {
    process.stderr.write(stderr);
    return false;
  }
  const { bomFormat, components } = JSON.parse(stdout);
  const locked = Object.entries(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages);
  const wanted = locked.filter(
    ([path, entry]) => path !== '' && entry.dev !== true && entry.devOptional !== true,
  );
  const missing = wanted
    .filter(
      ([path]) =>
        !components.some(({ name, group }) =>
          path.endsWith(`node_modules/${group ? `${group}/` : ''}${name}`),
        ),
    )
    .filter(([, entry]) => entry.optional !== true);
  if (bomFormat !== 'CycloneDX' || missing.length > 0) {
    say(`sbom: not of all packages; missing: ${missing.map(([path]) => path).join(', ')}`);
    return false;
  }
  mkdirSync(join(root, '.cache'), { recursive: true });
  writeFileSync(join(root, '.cache/sbom.cdx.json'), stdout);
  say(`sbom: ${components.length} packages in .cache/sbom.cdx.json`);
  return true;
}

function audit() {
  const { stdout } = npm('audit', '--omit=dev', '--audit-level=high', '--json');
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    report = {};
  }
  const found = report.metadata?.vulnerabilities;
  if (found === undefined) {
    const reason = report.error?.summary || report.message || report.error?.code || 'no answer';
    say(`audit: SKIPPED, the registry does not answer audits (${String(reason).split('\n')[0]})`);
    return true;
  }
  const { total, high, critical } = found;
  say(`audit: ${total} known vulnerabilities, ${high} high, ${critical} critical`);
  for (const [name, { severity, via }] of Object.entries(report.vulnerabilities ?? {}))
    say(
      `  ${severity} ${name}: ${via.map((each) => (typeof each === 'string' ? each : each.title)).join('; ')}`,
    );
  return high + critical === 0;
}

const only = (flag) => process.argv.includes(flag);
const results = [...(only('--audit') ? [] : [sbom()]), ...(only('--sbom') ? [] : [audit()])];
process.exit(results.every(Boolean) ? 0 : 1);
