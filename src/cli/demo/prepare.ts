import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ClientConfigInput } from '../../client/config.js';
import type { DemoOptions } from '../demo-options.js';
import { dirichletSplit, holdOut } from '../../sim/partition/dirichlet.js';
import { loadCorpus, type Example } from './corpus.js';
import type { DemoLayout } from './layout.js';

/** Fewer examples than this teach a silo nothing; the split is redrawn. */
const MIN_EXAMPLES = 20;

export interface DemoSilo {
  readonly name: string;
  readonly examples: number;
  readonly spam: number;
}

export interface DemoData {
  readonly silos: readonly DemoSilo[];
  readonly test: number;
  /** Share of the test set's most frequent label: what always giving that answer scores. */
  readonly majority: number;
  readonly distinct: number;
}

export const EVALUATOR = 'evaluator';

const spamIn = (examples: readonly Example[]): number =>
  examples.filter(({ label }) => label === 'spam').length;

/** silo-1, silo-2, …; as many digits as the last one has, so that order by name is order by number. */
export const siloNames = (count: number): string[] =>
  Array.from(
    { length: count },
    (_, index) => `silo-${String(index + 1).padStart(String(count).length, '0')}`,
  );

/** Folder of a silo's own data and configuration. */
const siloFolder = (layout: DemoLayout, name: string): string => join(layout.silos, name);

function writeExamples(folder: string, file: string, examples: readonly Example[]): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, file);
  writeFileSync(path, examples.map((example) => `${JSON.stringify(example)}\n`).join(''));
  return path;
}

/** Splits the mails and writes each silo's into its folder, the test set into the evaluator's. */
export async function prepareData(options: DemoOptions, layout: DemoLayout): Promise<DemoData> {
  const corpus = await loadCorpus(options.cache);
  const { train, test } = holdOut(corpus, options.testSize, options.seed);
  const parts = dirichletSplit(train, { ...options, minExamples: MIN_EXAMPLES });
  const names = siloNames(parts.length);
  const silos = parts.map((examples, index) => {
    const name = names[index] ?? '';
    writeExamples(siloFolder(layout, name), 'train.jsonl', examples);
    return { name, examples: examples.length, spam: spamIn(examples) };
  });
  writeExamples(siloFolder(layout, EVALUATOR), 'test.jsonl', test);
  const spam = spamIn(test);
  return {
    silos,
    test: test.length,
    majority: Math.max(spam, test.length - spam) / test.length,
    distinct: corpus.length,
  };
}

/** Silos train at the same time and share the cores; the evaluator works while they wait, and has them all. */
function threadsOf(name: string, silos: number): number {
  const cores = availableParallelism();
  return name === EVALUATOR ? cores : Math.max(1, Math.floor(cores / silos));
}

/** Writes a daemon's configuration file as its administrator would; resolves with its path. */
export function writeClientConfig(
  name: string,
  coordinator: string,
  options: DemoOptions,
  layout: DemoLayout,
): string {
  const folder = siloFolder(layout, name);
  const evaluates = name === EVALUATOR;
  const config: ClientConfigInput = {
    name,
    coordinator,
    role: evaluates ? 'evaluator' : 'trainer',
    data: evaluates ? { test: join(folder, 'test.jsonl') } : { train: join(folder, 'train.jsonl') },
    folder: join(layout.state, name),
    threads: threadsOf(name, options.silos),
    shutdownGraceMs: 0,
    log: { format: 'json' },
    scrambleBasis: options.scrambleBasis && !evaluates,
  };
  const path = join(folder, 'client.yaml');
  writeFileSync(path, stringify(config));
  return path;
}
