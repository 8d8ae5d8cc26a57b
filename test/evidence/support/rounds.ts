import type { KeyObject } from 'node:crypto';
import {
  sealRound,
  type RoundManifest,
  type SignedRoundManifest,
} from '../../../src/evidence/round-manifest.js';
import { sha256Hex } from '../../../src/sha256.js';

export type RoundBody = Omit<RoundManifest, 'format' | 'previous'>;

const adapter = (version: number): { version: number; sha256: string } => ({
  version,
  sha256: sha256Hex(`adapter ${version}`),
});

export const roundBody = (round: number, changes: Partial<RoundBody> = {}): RoundBody => ({
  run: 'mails',
  round,
  startedMs: 1_700_000_000_000 + round * 1000,
  publishedMs: 1_700_000_000_900 + round * 1000,
  spec: sha256Hex('spec'),
  bundle: sha256Hex('bundle'),
  asked: [
    { silo: 'a', certificate: '4a' },
    { silo: 'b', certificate: null },
  ],
  updates: [{ silo: 'a', sha256: sha256Hex(`update ${round}`), bytes: 1024, examples: 31, weight: 31 }],
  failures: [{ silo: 'b', code: 'deadline_exceeded' }],
  aggregation: { method: 'fedrot', options: { lambda: 'auto' }, weighting: 'examples', seed: 1 },
  reference: adapter(round - 1),
  result: adapter(round),
  software: { fedrot: '0.1.0', node: 'v20.19.0', platform: 'linux', arch: 'x64', kernel: 'portable' },
  audit: { seq: round, hash: sha256Hex(`audit ${round}`) },
  ...changes,
});

/** A whole chain; `change` may alter the body of a round before it is signed. */
export function chain(
  key: KeyObject,
  rounds: number,
  change: (body: RoundBody) => RoundBody = (body) => body,
): SignedRoundManifest[] {
  const links: SignedRoundManifest[] = [];
  for (let round = 1; round <= rounds; round++)
    links.push(sealRound(change(roundBody(round)), links.at(-1) ?? null, key));
  return links;
}
