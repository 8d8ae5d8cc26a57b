// Compares training with PyTorch + PEFT on every golden folder below the given ones: `npm run goldens -- DIR…`.
// A folder's layout: ../shared/data/golden/train/README.md. One JSON line a check; exit code 1 where one is not ok.
//
//   npm run goldens -- ../shared/data/golden/train
//   npm run goldens -- DIR --source model.onnx --adapter lora     only these
//   npm run goldens -- DIR… --if-present --quiet                  folders may be absent; only what is not ok, and a count
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Trainer } from '../dist/train/trainer.js';
import { checkGolden } from './goldens/checks.mjs';
import {
  ADAPTERS,
  findGoldens,
  openReference,
  readAdapter,
  readBatch,
  readExpected,
  sourcesOf,
} from './goldens/folder.mjs';
import { openSource, UnknownArchitecture } from './goldens/sources.mjs';

const fail = (message) => {
  process.stderr.write(`${message}\n`);
  process.exit(2);
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    source: { type: 'string', multiple: true },
    adapter: { type: 'string', multiple: true },
    'if-present': { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});
if (positionals.length === 0)
  fail('usage: npm run goldens -- DIR… [--source FILE] [--adapter lora|lora-head]');
const missing = positionals.filter((folder) => !existsSync(folder));
if (missing.length > 0 && !values['if-present']) fail(`${missing[0]}: no such folder`);
for (const folder of missing) process.stderr.write(`${folder}: not here, so not checked\n`);
const present = positionals.filter((folder) => !missing.includes(folder));
const folders = present.flatMap((root) => findGoldens(root).map((folder) => ({ root, folder })));
if (folders.length === 0)
  fail(`no folder with batch.json, expected.safetensors and lora/ below ${positionals.join(', ')}`);

let failed = 0;
let said = 0;
const say = (row) => {
  said++;
  if (!row.ok) failed++;
  if (!row.ok || !values.quiet) process.stdout.write(`${JSON.stringify(row)}\n`);
};

async function checkOne(folder, source, name, reference) {
  const adapter = readAdapter(folder, name);
  const { options, inputs, done } = await openSource(folder, source, adapter, reference);
  try {
    const trainer = await Trainer.open(options);
    try {
      return await checkGolden(trainer, {
        start: adapter.tensors,
        batch: readBatch(folder, inputs),
        ...readExpected(folder, name),
        base: name === 'lora',
      });
    } finally {
      await trainer.close();
    }
  } finally {
    done();
  }
}

for (const { root, folder } of folders) {
  const reference = openReference(folder);
  const sources = sourcesOf(folder).filter((source) => values.source?.includes(source) ?? true);
  const adapters = ADAPTERS.filter((name) => existsSync(join(folder, name))).filter(
    (name) => values.adapter?.includes(name) ?? true,
  );
  for (const source of sources)
    for (const adapter of adapters) {
      const head = { folder: relative(root, folder) || folder, source, adapter };
      try {
        for (const { check, error, tolerance, ok } of await checkOne(folder, source, adapter, reference))
          say({ ...head, check, error, tolerance, ok });
      } catch (error) {
        // What the importer does not know is said and counts as neither passed nor failed; the ONNX files still count.
        const known = !(error instanceof UnknownArchitecture);
        say({
          ...head,
          check: known ? 'opens and trains' : 'not checked: the importer does not know the architecture',
          error: null,
          tolerance: null,
          ok: !known,
          message: error.message,
        });
      }
    }
}
if (values.quiet)
  process.stderr.write(`${said - failed} of ${said} checks of ${folders.length} folders are ok\n`);
process.exit(failed > 0 ? 1 : 0);
