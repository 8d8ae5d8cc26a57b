import { join } from 'node:path';
import { Option } from 'commander';
import type { JournalRecord } from '../../evidence/journal.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { variable } from '../env.js';
import { formatBytes, formatTime } from '../format.js';
import { formatTable, type Column } from '../table.js';

interface Row extends JournalRecord {
  readonly timeMs: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'WHEN', value: ({ timeMs }) => formatTime(timeMs) },
  { title: 'WHAT', value: ({ kind }) => kind },
  { title: 'EVENT', value: ({ event, code }) => (code === undefined ? event : `${event} (${code})`) },
  { title: 'RUN', value: ({ run }) => run },
  { title: 'ROUND', value: ({ round }) => round },
  { title: 'BYTES', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
  { title: 'SHA-256', value: ({ sha256 }) => sha256 },
  { title: 'TO', value: ({ coordinator }) => coordinator },
];

export const build: BuildCommand = (context) =>
  leaf('journal', 'show everything that a silo has sent: run, round, hash, bytes, when; verifies the journal')
    .addOption(
      new Option('--folder <folder>', "the silo's folder (default: ./fedrot-silo, env: FEDROT_FOLDER)"),
    )
    .addOption(jsonOption())
    .action(async (flags: { folder?: string; json?: boolean }) => {
      const { readLog } = await import('../../evidence/audit.js');
      const folder = flags.folder ?? variable(context.environment, 'FEDROT_FOLDER') ?? './fedrot-silo';
      const rows: Row[] = [];
      for await (const { body, timeMs } of readLog(join(folder, 'journal.jsonl')))
        rows.push({ ...(body as unknown as JournalRecord), timeMs });
      if (flags.json === true) for (const row of rows) context.out(`${JSON.stringify(row)}\n`);
      else context.out(formatTable(rows, COLUMNS, 'nothing was sent'));
    });
