import { FedrotError } from '../../errors.js';
import type { Example } from './example.js';

/** How many known labels an error lists. */
const LISTED = 20;

/** Distinct labels of texts and words, in order of name; none where the data have none. */
export function labelsOf(examples: readonly Example[]): string[] {
  const all = examples.flatMap(({ label, words }) => words?.map(({ tag }) => tag) ?? [label]);
  return [...new Set(all)].filter((label) => label !== '').sort();
}

/**
 * The class index of every example. Throws data_unknown_label with the first line, the number of such examples and what the
 * run knows. `path` names the file in the message; `details.unknown` counts.
 */
export function classIndices(
  examples: readonly Example[],
  known: readonly string[],
  path: string,
): Int32Array {
  const index = new Map(known.map((label, at) => [label, at]));
  const indices = Int32Array.from(examples, ({ label }) => index.get(label) ?? -1);
  const first = indices.indexOf(-1);
  if (first < 0) return indices;
  const unknown = indices.filter((at) => at < 0).length;
  const bad = examples[first];
  const more = known.length > LISTED ? `, … (${known.length} in all)` : '';
  throw new FedrotError(
    'data_unknown_label',
    `${path}:${bad?.line ?? 0}: the run does not know the label ${JSON.stringify(bad?.label)} ` +
      `(${unknown} of ${examples.length} examples have unknown labels); ` +
      `it knows ${known
        .slice(0, LISTED)
        .map((label) => JSON.stringify(label))
        .join(', ')}${more}`,
    { details: { unknown, examples: examples.length } },
  );
}
