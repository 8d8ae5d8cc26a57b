// The figures of docs/reliability.md from a run of chaos: `npm run test:chaos -- --seeds 200 --write`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const page = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));
const REGION = /(<!-- chaos -->)[^]*?(<!-- end chaos -->)/;

/** The page's text with what a run came to in its region. */
export function fillFigures(text, summary, date) {
  const { seeds, passed, failed, compared_with_undisturbed: compared, faults, minutes } = summary;
  const list = failed.length === 0 ? '' : ` Failed: ${failed.join(', ')}.`;
  const lines = Object.entries(faults).map(([kind, times]) => `| ${kind} | ${times} |`);
  const told = `${passed} of ${seeds} seeds passed (${date}, ${minutes} minutes, Node ${process.versions.node}); in ${compared} of them every silo counted in every round, and the adapters were those of an undisturbed run.${list}`;
  return text.replace(
    REGION,
    (_, open, close) =>
      `${open}\n\n${told}\n\n| fault | times |\n| --- | --- |\n${lines.join('\n')}\n\n${close}`,
  );
}

export async function writeFigures(summary) {
  const text = fillFigures(readFileSync(page, 'utf8'), summary, new Date().toISOString().slice(0, 10));
  writeFileSync(page, await format(text, { ...(await resolveConfig(page)), filepath: page }));
}
