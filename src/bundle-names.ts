/** The file that names a bundle's others and, by its SHA-256, the bundle (docs/bundle.md). */
export const MANIFEST_FILE = 'manifest.json';

/** The signature over the bundle's name lies beside the manifest and is not listed in it (src/evidence/bundle-signature.ts). */
export const SIGNATURE_FILE = 'manifest.sig.json';

/** A plain file name: no folder, no drive, no way out of one, nothing hidden. */
export const PLAIN_FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/;
