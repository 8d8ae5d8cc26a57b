import { z } from 'zod';
import type { Clock } from '../clock.js';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../read-config.js';
import { SHA256 } from '../name.js';
import { AppendLog } from './append-log.js';

/** What left a silo: written before the first byte goes out, and again with how it ended. */
const journalSchema = z.strictObject({
  kind: z.enum(['registration', 'update', 'evaluation', 'progress', 'failure']),
  /** `sent`: the progress of a task, all reports together, when it is over. */
  event: z.enum(['begin', 'accepted', 'refused', 'broken', 'sent']),
  /** Host and port that it went to. */
  coordinator: z.string().min(1).max(300),
  /** Not of a registration. */
  run: z.string().min(1).max(63).optional(),
  /** Round of an update, progress or failure, version of an evaluation. */
  round: z.int().min(0).optional(),
  /** SHA-256 of what was sent, hex; of an update the file's, of anything else that of its canonical JSON. */
  sha256: z.string().regex(SHA256),
  /** Of the payload; for `broken`, how far it came. */
  bytes: z.int().min(0),
  code: z.string().max(64).optional(),
});

export type JournalRecord = Readonly<z.input<typeof journalSchema>>;

export interface Journal {
  /** Resolves when the entry is on disk. Throws option_invalid, storage_failed, storage_full. */
  record(entry: JournalRecord): Promise<void>;
  /** Rejects when an entry could not be written: from then on none can be, and nothing may leave the silo. */
  readonly broken: Promise<never>;
  close(): Promise<void>;
}

/** The silo's journal; read it with readLog. Throws storage_corrupt where it was changed. */
export async function openJournal(
  path: string,
  clock: Clock,
): Promise<{ journal: Journal; torn?: { readonly bytes: number; readonly savedAs: string } }> {
  const { log, torn } = await AppendLog.open(path, clock);
  let breaks: (error: unknown) => void = () => undefined;
  const broken = new Promise<never>((_resolve, reject) => {
    breaks = reject;
  });
  broken.catch(() => undefined); // whoever waits for it hears of it
  const journal: Journal = {
    broken,
    async record(entry) {
      const checked = journalSchema.safeParse(entry);
      if (!checked.success)
        throw new FedrotError('option_invalid', `journal entry: ${describeIssues(checked.error)}`);
      await log.append(checked.data).catch((thrown: unknown) => {
        breaks(thrown);
        throw thrown;
      });
    },
    close: () => log.close(),
  };
  return { journal, ...(torn && { torn }) };
}
