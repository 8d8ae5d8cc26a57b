import cliProgress from 'cli-progress';
import type { StudyProgress } from '../../sim/run-study.js';
import { formatDuration } from '../format.js';

/** Shows how far a study is, and when it will be done at the speed so far. */
export interface StudyDisplay {
  update(progress: StudyProgress): void;
  close(): void;
}

/** `12 of 40 trials, 3 min 20 s to go`. */
export function progressText({ trials, steps }: StudyProgress, elapsedMs: number): string {
  const text = `${trials.done} of ${trials.total} trials`;
  if (steps.done === 0 || steps.done >= steps.total) return text;
  return `${text}, ${formatDuration((elapsedMs * (steps.total - steps.done)) / steps.done)} to go`;
}

const LINE_EVERY_MS = 30_000;

/** Lines for files, pipes and CI: one when a trial is done, at most every half minute. */
export function lineDisplay(write: (text: string) => void): StudyDisplay {
  const started = performance.now();
  let last = -Infinity;
  return {
    update: (progress) => {
      const now = performance.now();
      if (now - last < LINE_EVERY_MS) return;
      last = now;
      write(`${progressText(progress, now - started)}\n`);
    },
    close: () => undefined,
  };
}

/** A bar of the optimizer steps, on a terminal. */
export function barDisplay(): StudyDisplay {
  const started = performance.now();
  const bar = new cliProgress.SingleBar({
    format: '{bar}  {text}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
    gracefulExit: false,
  });
  let shown = false;
  return {
    update: (progress) => {
      const payload = { text: progressText(progress, performance.now() - started) };
      if (!shown) bar.start(progress.steps.total, progress.steps.done, payload);
      else bar.update(progress.steps.done, payload);
      shown = true;
    },
    close: () => {
      if (shown) bar.stop();
    },
  };
}
