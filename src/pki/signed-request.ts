import { randomBytes, sign, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { FedrotError } from '../errors.js';
import type { CertificateFacts } from './certificate.js';
import type { ReplayWindow } from './replay-window.js';
import { requireNotRevoked, type RevocationList } from './revocation.js';
import { verifyCertificate } from './verify-certificate.js';

/**
 * Requests signed with the certificate's key, for coordinators behind a load balancer that ends TLS: the balancer sees
 * everything, but can neither act for a silo nor repeat or change what one asked for.
 *
 * Signed is: format, audience, method, time, nonce and the digest of the body, one a line. The body of a call with one
 * message is that message as it is serialised; of a client stream its first message, which names the SHA-256 of what follows.
 */
export interface RequestStatement {
  /** Whom the request is for, so that it counts nowhere else: agreed on beforehand, without line breaks. */
  readonly audience: string;
  /** E.g. /fedrot.v1.SiloService/Register. */
  readonly method: string;
  /** SHA-256 of the body; 32 bytes. */
  readonly bodySha256: Uint8Array;
}

/** Metadata of a signed request; both values are ASCII. */
export interface SignedRequestHeaders {
  readonly 'fedrot-signature': string;
  readonly 'fedrot-certificate': string;
}

const FORMAT = 'fedrot-signed-request/1';

/** How far the clocks of the two sides may be apart. */
const DEFAULT_WINDOW_MS = 60_000;

const MAX_HEADER_CHARACTERS = 16_384;
const MAX_CERTIFICATES = 5;

function signedBytes(statement: RequestStatement, timeMs: number, nonce: string): Buffer {
  const body = Buffer.from(statement.bodySha256).toString('hex');
  const lines = [FORMAT, statement.audience, statement.method, String(timeMs), nonce, body];
  if (lines.some((line) => /[\r\n]/.test(line)))
    throw new FedrotError('option_invalid', 'signed request: a line break in audience or method');
  return Buffer.from(lines.join('\n'));
}

/** ECDSA and RSA sign a digest; Ed25519 the message itself (RFC 8032). */
function digestName(key: KeyObject): string | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

/** The metadata for one request. `certificates`: the party's own first, then intermediates, without the root. */
export function signRequest(
  statement: RequestStatement,
  credential: { readonly key: KeyObject; readonly certificates: readonly X509Certificate[] },
  nowMs: number,
): SignedRequestHeaders {
  const nonce = randomBytes(16).toString('base64url');
  const signature = sign(digestName(credential.key), signedBytes(statement, nowMs, nonce), credential.key);
  return {
    'fedrot-signature': `${nowMs}.${nonce}.${signature.toString('base64url')}`,
    'fedrot-certificate': credential.certificates.map(({ raw }) => raw.toString('base64url')).join('.'),
  };
}

export interface VerifyRequestOptions {
  readonly roots: readonly X509Certificate[];
  readonly revocations: RevocationList;
  readonly replays: ReplayWindow;
  readonly nowMs: number;
  /** Default 60 s, both ways. */
  readonly windowMs?: number;
}

/**
 * Who signed a request: as certain as a client certificate in TLS. Throws unauthenticated for what is missing, wrong,
 * revoked, too old or repeated; quota_exceeded where one signer sends too many. `statement` is what was received.
 */
export function verifySignedRequest(
  headers: { readonly [K in keyof SignedRequestHeaders]?: string | undefined },
  statement: RequestStatement,
  options: VerifyRequestOptions,
): CertificateFacts {
  const { timeMs, nonce, signature } = parseSignature(headers['fedrot-signature']);
  const [leaf, ...intermediates] = parseChain(headers['fedrot-certificate']);
  const { nowMs, windowMs = DEFAULT_WINDOW_MS } = options;
  if (Math.abs(nowMs - timeMs) > windowMs)
    throw new FedrotError(
      'unauthenticated',
      `the request was signed at ${new Date(timeMs).toISOString()}; it is ${new Date(nowMs).toISOString()} here and ${windowMs / 1000} s are allowed: check the clocks`,
    );
  if (!leaf) throw new FedrotError('unauthenticated', 'signed request: there is no certificate');
  const facts = verifyCertificate(leaf, { roots: options.roots, intermediates, nowMs, usage: 'client' });
  requireNotRevoked(options.revocations, facts);
  const key = leaf.publicKey;
  if (!verify(digestName(key), signedBytes(statement, timeMs, nonce), key, signature))
    throw new FedrotError(
      'unauthenticated',
      'the signature does not fit the request: method, body, audience or signature were changed on the way',
    );
  options.replays.take(facts.serial, nonce, timeMs + windowMs, nowMs);
  return facts;
}

function parseSignature(text: string | undefined): { timeMs: number; nonce: string; signature: Buffer } {
  if (text === undefined)
    throw new FedrotError(
      'unauthenticated',
      'the request is not signed: behind a load balancer every call needs the metadata fedrot-signature and fedrot-certificate',
    );
  const [, time, nonce, signature] = /^(\d{1,15})\.([\w-]{22})\.([\w-]{1,2048})$/.exec(text) ?? [];
  if (time === undefined || nonce === undefined || signature === undefined)
    throw new FedrotError('unauthenticated', 'fedrot-signature: expected TIME.NONCE.SIGNATURE');
  return { timeMs: Number(time), nonce, signature: Buffer.from(signature, 'base64url') };
}

function parseChain(text: string | undefined): X509Certificate[] {
  const parts = text === undefined || text.length > MAX_HEADER_CHARACTERS ? [] : text.split('.');
  if (parts.length === 0 || parts.length > MAX_CERTIFICATES)
    throw new FedrotError(
      'unauthenticated',
      `fedrot-certificate: expected 1 to ${MAX_CERTIFICATES} certificates of at most ${MAX_HEADER_CHARACTERS} characters together`,
    );
  try {
    return parts.map((part) => new X509Certificate(Buffer.from(part, 'base64url')));
  } catch (cause) {
    throw new FedrotError('unauthenticated', 'fedrot-certificate: a certificate cannot be read', { cause });
  }
}
