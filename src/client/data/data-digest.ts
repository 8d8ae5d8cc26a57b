import { createHash } from 'node:crypto';
import type { DataPart } from './data-set.js';

const digests = new WeakMap<DataPart['examples'], string>();

/** SHA-256 of all that is learnt from, hex, whatever file it came from; computed once for the same examples. */
export function dataDigest({ examples }: DataPart): string {
  const known = digests.get(examples);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const { line: _line, ...example } of examples) hash.update(`${JSON.stringify(example)}\n`);
  const digest = hash.digest('hex');
  digests.set(examples, digest);
  return digest;
}
