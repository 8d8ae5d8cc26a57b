// Answers requests of the parent, one JSON line each, until its input ends.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** The most memory that this process had resident, bytes (VmHWM; mapped files count while they are resident). */
export function peakMemory() {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
    if (line) return Number(line[1]) * 1024;
  } catch {
    // not Linux
  }
  return process.resourceUsage().maxRSS * 1024;
}

export async function serve(answers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { ask, ...rest } = JSON.parse(line);
    process.stdout.write(`${JSON.stringify(await answers[ask](rest))}\n`);
  }
}

export async function timed(action) {
  const started = performance.now();
  const value = await action();
  return { value, ms: performance.now() - started };
}
