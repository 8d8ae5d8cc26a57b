// Fills the generated parts of docs/ from the compiled code: `npm run docs`. With --check it writes nothing and fails
// where what is committed differs.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ERROR_CODES } from '../dist/errors.js';
import { parseRunSpec, runSpecSchema } from '../dist/run-spec.js';
import { STATUS_OF_CODE } from '../dist/rpc/status.js';
import { METHODS } from '../dist/align/methods.js';
import { encodeTensorFile } from '../dist/tensor/encode-file.js';
import { RETRY_OF_CODE } from '../dist/rpc/retry.js';
import { coordinatorFileSchema } from '../dist/cli/commands/coordinator.js';
import { clientConfigSchema } from '../dist/client/config.js';
import { NEWEST_OPSET, NO_GRADIENT, RULES } from '../dist/train/autodiff/table.js';
import { REFUSED } from '../dist/train/autodiff/refused.js';
import { REWRITES } from '../dist/train/rewrite/table.js';
import { CoordinatorMetrics } from '../dist/server/metrics.js';
import { SiloMetrics } from '../dist/client/metrics.js';
import { LOG_KINDS } from '../dist/server/round/narrate.js';
import { apiRoutes } from '../dist/server/http/api.js';
import { HTTP_STATUS } from '../dist/server/http/errors.js';
import { roleForMethod } from '../dist/pki/roles.js';
import { demoResults } from './docs/demo-results.mjs';
import { CODE_MEANINGS } from './docs/code-meanings.mjs';
import { firstFederation } from './docs/first-federation.mjs';
import { opsGenerators } from './docs/ops-tables.mjs';
import { fillRegions } from './docs/regions.mjs';
import { schemaTables } from './docs/schema-tables.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');

const { status } = await import('@grpc/grpc-js');

const tables = (schema) => schemaTables(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));

/** The shortest specification; the bundle's name is the SHA-256 of nothing. */
const SHORTEST = {
  name: 'spam',
  bundle: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  task: { kind: 'text-classification', labels: ['ham', 'spam'] },
};

const RETRIES = { retry: 'later', few: 'a few times', register: 'after Register', never: 'no' };

function retryOf(code) {
  const text = RETRIES[RETRY_OF_CODE[code]];
  if (text === undefined) throw new Error(`scripts/gen-docs.mjs: no words for the retry of ${code}`);
  return text;
}

function statusTable() {
  const strangers = Object.keys(CODE_MEANINGS).filter((code) => !ERROR_CODES.includes(code));
  const missing = ERROR_CODES.filter((code) => !(code in CODE_MEANINGS));
  if (strangers.length + missing.length > 0)
    throw new Error(
      `scripts/docs/code-meanings.mjs: without meaning: ${missing.join(', ')}; no such code: ${strangers.join(', ')}`,
    );
  const rows = ERROR_CODES.map(
    (code) =>
      `| \`${code}\` | ${status[STATUS_OF_CODE[code]]} (${STATUS_OF_CODE[code]}) | ${retryOf(code)} | ${CODE_MEANINGS[code]} |`,
  );
  return `| code | gRPC status | try again | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

/** Sixteen bytes a line, as hex and as text. */
function canonicalFile() {
  const { bytes, sha256 } = encodeTensorFile([{ name: 'w', shape: [2], data: Float32Array.of(1, -2) }]);
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  return `\`\`\`text\n${lines.join('\n')}\nSHA-256 ${sha256}\n\`\`\``;
}

const yaml = (value) => `\`\`\`yaml\n${stringify(value).trimEnd()}\n\`\`\``;

const yes = (value) => (value ? 'yes' : 'no');

function methodTable() {
  const rows = METHODS.map(
    ({ name, source, allows }) =>
      `| \`${name}\` | ${source} | ${yes(allows.ownRank)} | ${yes(allows.serverOptimizer)} | ${yes(allows.robust)} | ${yes(allows.stale)} |`,
  );
  return `| name | source | ranks of silos' own | server optimizer | robust combination | old updates |\n| --- | --- | --- | --- | --- | --- |\n${rows.join('\n')}`;
}

const methodOptions = () =>
  METHODS.filter(({ options }) => Object.keys(options.shape).length > 0)
    .map(({ name, options }) => `#### \`${name}\`\n\n${tables(options)}`)
    .join('\n\n');

/** The worked example that test/align/example-method.test.ts runs, with the paths that it has in src/align/methods. */
function exampleMethod() {
  const source = readFileSync(join(root, 'test/align/support/strongest.ts'), 'utf8');
  return `\`\`\`ts\n${source.replaceAll("'../../../src/align/", "'../").trimEnd()}\n\`\`\``;
}

/** Our own metrics, or (`process`) those that prom-client collects of every Node process. */
function metricTable(metrics, { process = false } = {}) {
  const rows = metrics
    .describe()
    .filter(({ name }) => name.startsWith('fedrot_') !== process)
    .map(({ name, type, labels, help }) => {
      const names = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${names} | ${help.replaceAll('|', '\\|')} |`;
    });
  return `| metric | type | labels | what |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

function logKinds() {
  const rows = Object.entries(LOG_KINDS).map(([kind, level]) => `| \`${kind}\` | ${level} |`);
  return `| kind | level |\n| --- | --- |\n${rows.join('\n')}`;
}

/** Routes only look at what they are given when they are asked. */
function routeTable() {
  const rows = apiRoutes({}, undefined).map(
    ({ method, path, as, about }) =>
      `| ${method} | \`/api/v1${path}\` | ${roleForMethod(as)} | ${about.replaceAll('|', '\\|')} |`,
  );
  return `| method | path | role | what |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

function httpStatusTable() {
  const codes = new Map();
  for (const [code, http] of Object.entries(HTTP_STATUS)) codes.set(http, [...(codes.get(http) ?? []), code]);
  const rows = [...codes]
    .sort(([x], [y]) => x - y)
    .map(([http, names]) => `| ${http} | ${names.map((name) => `\`${name}\``).join(', ')} |`);
  return `| status | codes |\n| --- | --- |\n${rows.join('\n')}`;
}

const GENERATORS = {
  'HTTP routes': routeTable,
  'HTTP statuses': httpStatusTable,
  'metrics of the coordinator': () => metricTable(new CoordinatorMetrics()),
  'metrics of the silo': () => metricTable(new SiloMetrics()),
  'metrics of a process': () => metricTable(new SiloMetrics(), { process: true }),
  'aggregation methods': methodTable,
  'options of the methods': methodOptions,
  'example method': exampleMethod,
  'run specification keys': () => tables(runSpecSchema),
  'shortest run specification': () => yaml(SHORTEST),
  'run specification with defaults': () => yaml(parseRunSpec(SHORTEST)),
  'coordinator configuration': () => tables(coordinatorFileSchema),
  'client configuration': () => tables(clientConfigSchema),
  'error codes': statusTable,
  'canonical file': canonicalFile,
  'kinds of log entries': logKinds,
  ...demoResults(root),
  ...firstFederation(root),
  ...opsGenerators({ NEWEST_OPSET, NO_GRADIENT, REFUSED, REWRITES, RULES }),
};

let stale = 0;
const pages = readdirSync(join(root, 'docs'), { recursive: true })
  .filter((entry) => entry.endsWith('.md'))
  .map((entry) => `docs/${entry}`);
for (const page of ['README.md', ...pages]) {
  const file = join(root, page);
  const text = readFileSync(file, 'utf8');
  const filled = fillRegions(text, GENERATORS, page);
  if (filled === text) continue;
  const wanted = await format(filled, { ...(await resolveConfig(file)), filepath: file });
  if (wanted === text) continue;
  stale += 1;
  if (check) process.stderr.write(`${page} differs from the code; run \`npm run docs\`\n`);
  else {
    writeFileSync(file, wanted);
    process.stderr.write(`wrote ${page}\n`);
  }
}
process.exit(check && stale > 0 ? 1 : 0);
