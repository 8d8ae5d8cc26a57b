import { existsSync } from 'node:fs';
import type { ClientConfig } from '../../client/config.js';
import { loadDataSet, type DataPart } from '../../client/data/data-set.js';
import type { Example } from '../../client/data/example.js';
import { asFedrotError, type ErrorCode } from '../../errors.js';
import { formatPercent } from '../format.js';
import { fail, ok, warn, type Finding } from './finding.js';

const MISSING =
  'name the file with data.train (trainer) or data.test (evaluator); paths are relative to the working directory';

/** How many labels are listed with their counts. */
const LISTED = 10;

const FIXES: Readonly<Partial<Record<ErrorCode, string>>> = {
  data_missing_column: 'name the columns with data.columns (docs/configuration.md)',
  data_empty: 'put examples into the file, or name another one with data.train or data.test',
  data_invalid: 'repair the line, or name the right format with data.format',
};

/** Every label of texts and words with its count, the most frequent first. */
export function labelCounts(
  examples: readonly Example[],
): readonly (readonly [label: string, count: number])[] {
  const counts = new Map<string, number>();
  for (const { label, words } of examples)
    for (const each of words?.map(({ tag }) => tag) ?? [label])
      if (each !== '') counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

function describe(part: string, { path, examples }: DataPart): Finding {
  const counts = labelCounts(examples);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const shown = counts
    .slice(0, LISTED)
    .map(([label, count]) => `${JSON.stringify(label)} ${count} (${formatPercent(count / total)})`);
  const more = counts.length > LISTED ? `, and ${counts.length - LISTED} more` : '';
  const labels = counts.length === 0 ? 'no labels' : `${counts.length} labels: ${shown.join(', ')}${more}`;
  const said = `${path}: ${examples.length} examples; ${labels}`;
  return counts.length === 1
    ? warn(
        part,
        said,
        'a silo with one label learns to say nothing else; check data.columns.label, and aggregation.weighting of the run',
      )
    : ok(part, said);
}

/** Whether the files can be read as they are configured, and what labels they hold. Prints no text of theirs. */
export async function checkData(config: ClientConfig): Promise<Finding[]> {
  const missing = [config.data.train, config.data.test].find(
    (path) => path !== undefined && !existsSync(path),
  );
  if (missing !== undefined) return [fail('data', `${missing}: no such file`, MISSING)];
  try {
    const { train, test } = await loadDataSet(config);
    return [
      ...(train === undefined ? [] : [describe('training data', train)]),
      ...(test === undefined ? [] : [describe('test data', test)]),
    ];
  } catch (thrown) {
    const { code, message } = asFedrotError(thrown);
    return [fail('data', message, FIXES[code] ?? 'repair the file')];
  }
}
