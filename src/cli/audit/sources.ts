import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { FedrotError } from '../../errors.js';
import { readRounds } from '../../evidence/round-files.js';
import { readPublicFile } from '../../pki/secret-file.js';
import type { AdminClient } from '../admin/connect.js';

/** Where evidence is read: a coordinator's data folder, or a coordinator that is asked. */
export interface EvidenceSource {
  runs(): Promise<string[]>;
  /** Texts of the signed manifests, from round 1, and the certificates of their signers with what stands above them. */
  manifests(run: string): Promise<{ texts: string[]; signersPem: string }>;
  /** Text of the audit log. */
  audit(): Promise<string>;
  /** The authority that is trusted where the caller names none. */
  rootsPem(): Promise<string>;
}

export function folderSource(folder: string): EvidenceSource {
  const evidence = join(folder, 'evidence');
  if (!existsSync(evidence))
    throw new FedrotError(
      'not_found',
      `${folder}: is no data folder of a coordinator (it holds no evidence/)`,
    );
  return {
    runs: () =>
      Promise.resolve(
        readdirSync(evidence, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => name)
          .sort(),
      ),
    manifests: async (run) => ({
      texts: await readRounds(join(evidence, run)),
      signersPem: readPublicFile(join(evidence, 'signers.pem')),
    }),
    audit: () => readFile(join(folder, 'audit.jsonl'), 'utf8'),
    // Of the coordinator's own certificate: its authority may have been brought, and lie elsewhere.
    rootsPem: () => Promise.resolve(readPublicFile(join(folder, 'pki', 'coordinator', 'ca.pem'))),
  };
}

/** `ownRootsPem`: the authority that the operator's own credential trusts; whoever is asked does not say whom to believe. */
export function remoteSource(admin: AdminClient, ownRootsPem: string | undefined): EvidenceSource {
  return {
    runs: async () => (await admin.listRuns({})).runs.map(({ runId }) => runId),
    manifests: async (runId) => {
      const { manifests, signersPem } = await admin.listRoundManifests({ runId });
      return { texts: manifests, signersPem };
    },
    audit: async () => {
      let text = '';
      for await (const { json } of admin.readAudit({})) text += `${json}\n`;
      return text;
    },
    rootsPem: async () => ownRootsPem ?? (await admin.getAuthority({})).rootsPem,
  };
}
