import { createHash } from 'node:crypto';
import type { DataPart } from '../client/data/data-set.js';
import type { Example } from '../client/data/example.js';
import { readExamples } from '../client/data/read-examples.js';
import { holdOut } from './partition/dirichlet.js';
import type { DataSpec } from './study.js';

/** A data set of a study, cut to what the study takes of it. */
export interface StudyData {
  readonly train: DataPart;
  readonly test: DataPart;
  /** Of all examples in their order, hex. */
  readonly sha256: string;
}

/** The same seed for every study, so that studies that take as many examples take the same ones. */
const SUBSET_SEED = 0;

/** Reads both files. `group`: the field that a partition goes by. Throws as readExamples. */
export async function loadStudyData(spec: DataSpec, group?: string): Promise<StudyData> {
  const read = async (path: string, most: number | undefined): Promise<DataPart> => {
    const examples = await readExamples(path, { format: spec.format, columns: spec.columns, group });
    if (most === undefined || most >= examples.length) return { path, examples };
    return { path, examples: holdOut(examples, most, SUBSET_SEED).test };
  };
  const train = await read(spec.train, spec.maxTrain);
  const test = await read(spec.test, spec.maxTest);
  const hash = createHash('sha256').update(`${spec.maxTokens}\n`);
  for (const example of [...train.examples, ...test.examples]) hash.update(exampleText(example));
  return { train, test, sha256: hash.digest('hex') };
}

/** Without the line, which only messages need. */
function exampleText({ line: _line, ...rest }: Example): string {
  return `${JSON.stringify(rest)}\n`;
}
