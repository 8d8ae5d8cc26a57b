import { X509Certificate, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE } from '../../bundle-names.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import { verifyLog } from '../../evidence/log-entry.js';
import { readRounds } from '../../evidence/round-files.js';
import { parseSignedRound } from '../../evidence/round-manifest.js';
import { verifyChain } from '../../evidence/verify-chain.js';
import { accessFolders } from '../access/open-access.js';
import { parseBundleFiles } from '../spool/bundle-files.js';
import { hashFile } from '../spool/hash-file.js';
import { DATABASE_FILE, readFacts, type StoredFacts } from '../store/sqlite-snapshot.js';

/** One thing that was looked at. */
export interface Finding {
  /** database, adapters, updates, manifests, audit, bundles */
  readonly what: string;
  /** How many of them were looked at. */
  readonly checked: number;
  /** Empty where all is well. */
  readonly problems: readonly string[];
}

/**
 * Verifies a data folder: the database's own integrity, the hash of every file that it names, the chain of every run's signed manifests
 * and that they name the published adapters, the audit log's chain, and bundles. Reads only; a coordinator may be at work in it.
 * Throws not_found where there is no database.
 */
export async function checkData(folder: string): Promise<readonly Finding[]> {
  if (!existsSync(join(folder, DATABASE_FILE)))
    throw new FedrotError(
      'not_found',
      `${folder} is no data folder of a coordinator: it has no ${DATABASE_FILE}`,
    );
  let facts: StoredFacts;
  try {
    facts = readFacts(folder);
  } catch (thrown) {
    return [{ what: 'database', checked: 1, problems: [asFedrotError(thrown).message] }];
  }
  return [
    { what: 'database', checked: 1, problems: facts.damage },
    await checkAdapters(folder, facts),
    await checkUpdates(folder, facts),
    await checkManifests(folder, facts),
    await checkAudit(folder),
    await checkBundles(folder),
  ];
}

const tensorPath = (folder: string, sha256: string): string =>
  join(folder, 'tensors', `${sha256}.safetensors`);

/** Why a file is not what its name says; undefined where it is. */
async function problemOf(path: string, sha256: string): Promise<string | undefined> {
  try {
    const actual = await hashFile(path);
    if (actual === undefined) return 'is missing';
    return actual === sha256 ? undefined : `was changed: its SHA-256 is ${actual}`;
  } catch (thrown) {
    return asFedrotError(thrown).message;
  }
}

async function checkAdapters(folder: string, { runs }: StoredFacts): Promise<Finding> {
  const problems: string[] = [];
  let checked = 0;
  for (const { runId, versions } of runs) {
    if (versions.some(({ version }, index) => version !== index))
      problems.push(
        `run ${runId} has versions ${versions.map(({ version }) => version).join(', ')}: one is missing`,
      );
    for (const { version, files } of versions)
      for (const sha256 of files) {
        checked++;
        const problem = await problemOf(tensorPath(folder, sha256), sha256);
        if (problem) problems.push(`run ${runId} version ${version}: ${sha256}.safetensors ${problem}`);
      }
  }
  return { what: 'adapters', checked, problems };
}

/** Updates of published rounds may be gone: retention deletes them. */
async function checkUpdates(folder: string, { updates }: StoredFacts): Promise<Finding> {
  const problems: string[] = [];
  let checked = 0;
  for (const { runId, round, silo, sha256, published } of updates) {
    const path = tensorPath(folder, sha256);
    if (published && !existsSync(path)) continue;
    checked++;
    const problem = await problemOf(path, sha256);
    if (problem)
      problems.push(`run ${runId} round ${round}: the update of ${silo}, ${sha256}.safetensors, ${problem}`);
  }
  return { what: 'updates', checked, problems };
}

async function checkManifests(folder: string, { runs }: StoredFacts): Promise<Finding> {
  const problems: string[] = [];
  let checked = 0;
  const published = runs.filter(({ versions }) => versions.length > 1);
  const keys = published.length === 0 ? [] : await signerKeys(folder);
  for (const { runId, versions } of published) {
    try {
      const texts = await readRounds(join(accessFolders(folder).evidence, runId));
      // The last one may have been sealed and not published yet.
      const chain = texts.slice(0, versions.length - 1);
      checked += chain.length;
      const verdict = verifyChain(chain, keys, { run: runId, rounds: versions.length - 1 });
      if (!verdict.ok) problems.push(`run ${runId} round ${verdict.broken.round}: ${verdict.broken.message}`);
      else
        for (const text of chain) {
          const { result } = parseSignedRound(text).manifest;
          if (versions[result.version]?.files[0] !== result.sha256)
            problems.push(
              `run ${runId} version ${result.version}: the manifest names ${result.sha256}, the database another`,
            );
        }
    } catch (thrown) {
      problems.push(`run ${runId}: ${asFedrotError(thrown).message}`);
    }
  }
  return { what: 'manifests', checked, problems };
}

async function signerKeys(folder: string): Promise<KeyObject[]> {
  const pem = await readFile(accessFolders(folder).signers, 'utf8').catch(() => '');
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block).publicKey);
}

async function checkAudit(folder: string): Promise<Finding> {
  const path = accessFolders(folder).audit;
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return { what: 'audit', checked: 0, problems: [`${path} is missing`] };
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const verdict = verifyLog(whole, [], 'audit log');
  return {
    what: 'audit',
    checked: whole.split('\n').length - 1,
    problems: verdict.ok ? [] : [`line ${verdict.line}: ${verdict.message}`],
  };
}

async function checkBundles(folder: string): Promise<Finding> {
  const problems: string[] = [];
  let checked = 0;
  const home = join(folder, 'bundles');
  for (const bundle of (await readdir(home).catch(() => [])).sort()) {
    const manifest = await readFile(join(home, bundle, MANIFEST_FILE)).catch(() => undefined);
    if (manifest === undefined) continue; // still being pushed
    checked++;
    try {
      const files = [{ name: MANIFEST_FILE, sha256: bundle }, ...parseBundleFiles(manifest)];
      for (const { name, sha256 } of files) {
        const problem = await problemOf(join(home, bundle, name), sha256);
        if (problem) problems.push(`bundle ${bundle}: ${name} ${problem}`);
      }
    } catch (thrown) {
      problems.push(`bundle ${bundle}: ${asFedrotError(thrown).message}`);
    }
  }
  return { what: 'bundles', checked, problems };
}
