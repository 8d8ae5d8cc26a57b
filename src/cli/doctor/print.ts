import pc from 'picocolors';
import type { Finding, Outcome } from './finding.js';

const MARKS: Readonly<Record<Outcome, string>> = { ok: '✓', warn: '!', fail: '✗', skip: '–' };

/** One line a finding, with what to do below it where there is something; colours only on a terminal. */
export function formatFindings(
  findings: readonly Finding[],
  { colors }: { readonly colors: boolean },
): string {
  const paint = pc.createColors(colors);
  const colour: Readonly<Record<Outcome, (text: string) => string>> = {
    ok: paint.green,
    warn: paint.yellow,
    fail: paint.red,
    skip: paint.dim,
  };
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, outcome, message, fix }) => [
    `${colour[outcome](MARKS[outcome])} ${check.padEnd(width)}  ${message}`,
    ...(fix === undefined ? [] : [`  ${' '.repeat(width)}  → ${fix}`]),
  ]);
  const count = (outcome: Outcome): number => findings.filter((each) => each.outcome === outcome).length;
  const [failed, warned] = [count('fail'), count('warn')];
  const verdict =
    failed > 0
      ? `${failed} ${failed === 1 ? 'thing keeps' : 'things keep'} this silo from working`
      : warned > 0
        ? `this silo can work; ${warned} ${warned === 1 ? 'thing' : 'things'} to look at`
        : 'this silo can work';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
