import type { CliContext } from '../context.js';
import { Exit } from '../failure.js';
import { formatTable } from '../table.js';

/** Verifies a data folder and says what was found; exits with 1 where something is wrong. */
export async function checkFolder(folder: string, context: CliContext, json: boolean): Promise<void> {
  const { checkData } = await import('../../server/backup/check-data.js');
  const findings = await checkData(folder);
  const problems = findings.flatMap(({ problems: found }) => found);
  if (json) context.out(`${JSON.stringify({ folder, ok: problems.length === 0, findings })}\n`);
  else {
    context.out(
      formatTable(
        findings,
        [
          { title: 'WHAT', value: ({ what }) => what },
          { title: 'CHECKED', value: ({ checked }) => checked, align: 'right' },
          {
            title: 'RESULT',
            value: ({ problems: found }) => (found.length === 0 ? 'ok' : `${found.length} wrong`),
          },
        ],
        'nothing to check',
      ),
    );
    for (const problem of problems) context.err(`fedrot: ${problem}\n`);
  }
  if (problems.length > 0) throw new Exit(1);
}
