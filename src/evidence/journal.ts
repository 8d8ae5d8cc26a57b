import { z } from 'zod';
import type { Clock } from '../clock.js';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../run-spec.js';
import { AppendLog } from './append-log.js';

/** What left a silo: written before the first byte goes out, and again with how it ended. */
const journalSchema = z.strictObject({
  kind: z.enum(['update', 'evaluation', 'failure']),
  event: z.enum(['begin', 'accepted', 'refused', 'broken']),
  /** Host and port that it went to. */
  coordinator: z.string().min(1).max(300),
  run: z.string().min(1).max(63),
  /** Round of an update or failure, version of an evaluation. */
  round: z.int().min(0),
  /** SHA-256 of what was sent, hex; of an evaluation or a report of failure, of its canonical JSON. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of the payload; for `broken`, how far it came. */
  bytes: z.int().min(0),
  code: z.string().max(64).optional(),
});

export type JournalRecord = Readonly<z.input<typeof journalSchema>>;

export interface Journal {
  /** Resolves when the entry is on disk. Throws option_invalid, storage_failed, storage_full. */
  record(entry: JournalRecord): Promise<void>;
  close(): Promise<void>;
}

/** The silo's journal; read it with readLog. Throws storage_corrupt where it was changed. */
export async function openJournal(
  path: string,
  clock: Clock,
): Promise<{ journal: Journal; torn?: { readonly bytes: number; readonly savedAs: string } }> {
  const { log, torn } = await AppendLog.open(path, clock);
  const journal: Journal = {
    async record(entry) {
      const checked = journalSchema.safeParse(entry);
      if (!checked.success)
        throw new FedrotError('option_invalid', `journal entry: ${describeIssues(checked.error)}`);
      await log.append(checked.data);
    },
    close: () => log.close(),
  };
  return { journal, ...(torn && { torn }) };
}
