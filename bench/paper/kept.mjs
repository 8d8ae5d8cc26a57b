// The results behind docs/results.md, kept in the repository: one line of JSON a trial, compressed. The tables can be made again from
// them, and on another machine the full form goes on where this one stopped. Accuracies of another kind of CPU differ by rounding.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

const FILE = fileURLToPath(new URL('results.jsonl.gz', import.meta.url));

/** Study → its results, as `fedrot simulate` writes them. */
export function readKept() {
  const kept = new Map();
  if (!existsSync(FILE)) return kept;
  for (const line of gunzipSync(readFileSync(FILE)).toString().split('\n').filter(Boolean)) {
    const { study, ...result } = JSON.parse(line);
    kept.set(study, [...(kept.get(study) ?? []), result]);
  }
  return kept;
}

/** `studies`: [study, results][]. */
export function writeKept(studies) {
  const lines = studies.flatMap(([study, results]) =>
    results.map((result) => `${JSON.stringify({ study, ...result })}\n`),
  );
  writeFileSync(FILE, gzipSync(lines.join(''), { level: 9 }));
}

/** Gives a study's folder the kept results where it has none of its own. */
export function resumeKept(study, folder) {
  const file = join(folder, 'results.jsonl');
  const results = readKept().get(study);
  if (results === undefined || existsSync(file)) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, results.map((result) => `${JSON.stringify(result)}\n`).join(''));
}
