import { z } from 'zod';
import { MANIFEST_FILE, PLAIN_FILE_NAME } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import { describeIssues } from '../../read-config.js';
import { SHA256 } from '../../name.js';

/** Largest signature with its certificates. */
export const MAX_SIGNATURE_BYTES = 64 * 1024;

/** Largest manifest.json that is read into memory. */
export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

/** What the coordinator has to know of a bundle's manifest: its files. All the rest is between operator and silos. */
const schema = z.looseObject({
  files: z
    .array(
      z.object({
        name: z.string().regex(PLAIN_FILE_NAME),
        bytes: z.int().min(0),
        sha256: z.string().regex(SHA256),
      }),
    )
    .min(1),
});

export interface BundleFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Throws file_invalid. */
export function parseBundleFiles(manifest: Uint8Array): readonly BundleFile[] {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(manifest));
  } catch (cause) {
    throw new FedrotError('file_invalid', `${MANIFEST_FILE} is not JSON in UTF-8`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new FedrotError('file_invalid', `${MANIFEST_FILE}: ${describeIssues(parsed.error)}`);
  return parsed.data.files;
}

/** Throws option_invalid unless both can be names in the bundles' folder. */
export function checkBundleNames(bundle: string, file: string): void {
  if (!SHA256.test(bundle))
    throw new FedrotError('option_invalid', `bundle ${bundle.slice(0, 100)}: must be a SHA-256 in hex`);
  if (!PLAIN_FILE_NAME.test(file))
    throw new FedrotError(
      'option_invalid',
      `file ${JSON.stringify(file.slice(0, 100))} of bundle ${bundle}: must be a plain file name of letters, digits and . _ -`,
    );
}
