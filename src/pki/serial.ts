import { randomBytes } from 'node:crypto';

/**
 * A certificate's serial number as text: hex, lower case, no leading zeros, so that what Node, OpenSSL and the X.509
 * library print compares equal.
 */
export function normaliseSerial(text: string): string {
  return text
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
}

/** 127 random bits: positive and unpredictable (RFC 5280, 4.1.2.2: at most 20 octets, greater than zero), 32 hex digits. */
export function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40; // always 16 octets, never negative
  return bytes.toString('hex');
}
