import { asFedrotError, FedrotError } from '../errors.js';
import { sha256Hex } from '../sha256.js';
import { canonicalJson, parseCanonical } from './canonical-json.js';

/**
 * One line of a hash-chained log: canonical JSON of { seq, timeMs, previous, body, hash }. `hash` is the SHA-256 of the
 * canonical JSON of the other four; `previous` is the hash of the line before, 64 zeros in the first.
 */
export interface LogEntry {
  /** From 1, without gaps. */
  readonly seq: number;
  /** Unix epoch. */
  readonly timeMs: number;
  readonly previous: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

/** The end of a log: what the next entry continues, and what a round's manifest fixes. */
export interface LogHead {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_LOG: LogHead = Object.freeze({ seq: 0, hash: '0'.repeat(64) });

/** The line after `head`, without its line break. Throws manifest_invalid where the body has no canonical form. */
export function nextLine(
  head: LogHead,
  body: Readonly<Record<string, unknown>>,
  timeMs: number,
): { line: string; head: LogHead } {
  const open = { seq: head.seq + 1, timeMs, previous: head.hash, body };
  const hash = sha256Hex(canonicalJson(open));
  return { line: canonicalJson({ ...open, hash }), head: { seq: open.seq, hash } };
}

function isEntry(value: unknown): value is LogEntry {
  if (typeof value !== 'object' || value === null) return false;
  const keys = Object.keys(value);
  if (keys.length !== 5) return false;
  const { seq, timeMs, previous, body, hash } = value as Partial<Record<string, unknown>>;
  return (
    Number.isSafeInteger(seq) &&
    Number.isSafeInteger(timeMs) &&
    typeof previous === 'string' &&
    typeof body === 'object' &&
    body !== null &&
    !Array.isArray(body) &&
    typeof hash === 'string'
  );
}

/** A line as the entry after `head`. Throws storage_corrupt, saying what does not hold. */
export function readLine(line: string, head: LogHead, where = 'log'): LogEntry {
  const at = `${where}: line ${head.seq + 1}`;
  let value: unknown;
  try {
    value = parseCanonical(line, at);
  } catch (cause) {
    throw new FedrotError('storage_corrupt', `${at}: was changed: it is no canonical JSON`, { cause });
  }
  if (!isEntry(value))
    throw new FedrotError('storage_corrupt', `${at}: was changed: it is no entry of a log`);
  const { hash, ...open } = value;
  if (sha256Hex(canonicalJson(open)) !== hash)
    throw new FedrotError('storage_corrupt', `${at}: was changed: its hash does not fit`);
  if (value.seq !== head.seq + 1 || value.previous !== head.hash)
    throw new FedrotError(
      'storage_corrupt',
      `${at}: does not continue the line before: a line was removed, added, moved or replaced`,
    );
  return value;
}

export type LogVerdict =
  | { readonly ok: true; readonly head: LogHead }
  | { readonly ok: false; /** From 1. */ readonly line: number; readonly message: string };

/**
 * Verifies a whole log; every line ends with a line break. `anchors` are heads known from elsewhere (signed manifests):
 * without one, a log that was cut at its end or made anew in one piece cannot be told from the true one.
 */
export function verifyLog(text: string, anchors: readonly LogHead[] = [], where = 'log'): LogVerdict {
  let head = EMPTY_LOG;
  const lines = text.split('\n');
  const rest = lines.pop();
  const wanted = new Map(anchors.map((anchor) => [anchor.seq, anchor.hash]));
  for (const line of lines) {
    try {
      const entry = readLine(line, head, where);
      head = { seq: entry.seq, hash: entry.hash };
    } catch (thrown) {
      return { ok: false, line: head.seq + 1, message: asFedrotError(thrown).message };
    }
    const hash = wanted.get(head.seq);
    if (hash !== undefined && hash !== head.hash)
      return {
        ok: false,
        line: head.seq,
        message: `${where}: line ${head.seq}: is not the one that was signed for`,
      };
  }
  if (rest !== '')
    return {
      ok: false,
      line: head.seq + 1,
      message: `${where}: line ${head.seq + 1}: has no end: it was torn`,
    };
  const missing = anchors.find(({ seq }) => seq > head.seq);
  if (missing)
    return {
      ok: false,
      line: head.seq + 1,
      message: `${where}: ends after line ${head.seq}; line ${missing.seq} was signed for`,
    };
  return { ok: true, head };
}
