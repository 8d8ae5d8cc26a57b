import { FedrotError } from '../errors.js';
import { SHA256 } from '../name.js';
import { sha256Hex } from '../sha256.js';

/**
 * A certificate's fingerprint: SHA-256 of its DER, as `openssl x509 -noout -fingerprint -sha256` prints it, so that both
 * sides can look at it with a tool that they have.
 */
export function fingerprint(der: Uint8Array): string {
  return sha256Hex(der);
}

/** AB:CD:… */
export function formatFingerprint(hex: string): string {
  return (hex.toUpperCase().match(/../g) ?? []).join(':');
}

/**
 * What a person pasted, as 64 hex digits: with or without colons or spaces, in either case, with `sha256:` or with
 * OpenSSL's `sha256 Fingerprint=` before it. Throws option_invalid.
 */
export function parseFingerprint(text: string): string {
  const hex = text
    .trim()
    .replace(/^sha-?256(\s+fingerprint)?\s*[:=]\s*/i, '')
    .replace(/[\s:]/g, '')
    .toLowerCase();
  if (SHA256.test(hex)) return hex;
  const hint = /^[0-9a-f]{40}$/.test(hex)
    ? ' (40 digits are a SHA-1 fingerprint; ask for the SHA-256 one)'
    : '';
  throw new FedrotError(
    'option_invalid',
    `fingerprint: expected 64 hex digits (SHA-256 of the authority's certificate)${hint}; it is printed by \`fedrot token create\``,
  );
}
