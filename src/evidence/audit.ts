import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Clock } from '../clock.js';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../read-config.js';
import { AppendLog } from './append-log.js';
import { decodeUtf8 } from './utf8.js';
import { EMPTY_LOG, readLine, type LogEntry, type LogHead } from './log-entry.js';

/** What is written down: every act of an operator, every admission, every refusal for who somebody is. */
const AUDIT_ACTIONS = [
  'coordinator.start',
  'coordinator.stop',
  'authority.create',
  'token.create',
  'token.revoke',
  'enrol',
  'certificate.renew',
  'silo.revoke',
  'silo.readmit',
  'operator.revoke',
  'operator.readmit',
  'run.create',
  'run.stop',
  'run.pause',
  'run.resume',
  'adapter.rollback',
  'adapter.fetch',
  'update.fetch',
  'bundle.push',
  'updates.delete',
  'task.refuse',
  'call.refuse',
  'dashboard.sign-in',
  'storage.corrupt',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

const short = z.string().max(200);

const auditSchema = z.strictObject({
  /** Who: `operator:ada`, `silo:hospital-a`, `coordinator:main`, or `anonymous`. */
  actor: short.min(1),
  action: z.enum(AUDIT_ACTIONS),
  /** On what: a run, silo, token id, method. */
  object: short,
  outcome: z.enum(['ok', 'refused', 'failed']),
  /** Where it was refused or failed: the code of src/errors.ts. */
  code: z.string().max(64).optional(),
  /** The other side's address. */
  peer: short.optional(),
  /** Serial of the certificate that the actor showed. */
  certificate: z.string().max(40).optional(),
  detail: z.string().max(2000).optional(),
});

export type AuditRecord = Readonly<z.input<typeof auditSchema>>;

export interface AuditLog {
  /** The newest entry on disk; for a round's manifest. */
  readonly head: LogHead;
  /** Resolves when the entry is on disk. Throws option_invalid for a field that is missing, too long or not known. */
  record(entry: AuditRecord): Promise<LogHead>;
  close(): Promise<void>;
}

/** The coordinator's audit log. Throws storage_corrupt where it was changed. */
export async function openAuditLog(
  path: string,
  clock: Clock,
): Promise<{ audit: AuditLog; torn?: { readonly bytes: number; readonly savedAs: string } }> {
  const { log, torn } = await AppendLog.open(path, clock);
  const audit: AuditLog = {
    get head() {
      return log.head;
    },
    async record(entry) {
      const checked = auditSchema.safeParse(entry);
      if (!checked.success)
        throw new FedrotError('option_invalid', `audit entry: ${describeIssues(checked.error)}`);
      return log.append(checked.data);
    },
    close: () => log.close(),
  };
  return { audit, ...(torn && { torn }) };
}

/** The entries of a log on disk, verified on the way. Throws not_found, storage_corrupt. */
export async function* readLog(path: string): AsyncGenerator<LogEntry, void, undefined> {
  let head = EMPTY_LOG;
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FedrotError('not_found', `${path}: there is no log`, { cause });
  }
  // A line without its end is being written, or was torn: it is not an entry yet.
  for (const line of decodeUtf8(bytes, path).split('\n').slice(0, -1)) {
    const entry = readLine(line, head, path);
    head = { seq: entry.seq, hash: entry.hash };
    yield entry;
  }
}
