import cliProgress from 'cli-progress';
import pc from 'picocolors';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import type { SiloTask } from '../../rpc/gen/fedrot/v1/SiloTask.js';
import type { CliContext } from '../context.js';
import { formatNumber } from '../format.js';
import { hasEnded } from '../run/run-view.js';

/** What the demo shows while it runs. */
export interface Display {
  /** A line that stays. */
  line(text: string): void;
  /** The silos' progress now. */
  update(run: Run): void;
  /** No more progress. */
  close(): void;
}

/** Lines only: for files, pipes and CI. */
export const plainDisplay = ({ out }: CliContext): Display => ({
  line: (text) => out(`${text}\n`),
  update: () => undefined,
  close: () => undefined,
});

const STATES: Readonly<Record<string, string>> = {
  assigned: 'starting',
  training: 'training',
  uploading: 'uploading',
  done: 'done',
  failed: 'failed',
  late: 'late',
};

/** What stands behind a silo's bar. */
export function barText(task: SiloTask | undefined, phase: string): string {
  if (task === undefined) return pc.dim(phase === 'evaluating' ? 'waits for the score' : 'waits');
  const state = STATES[task.state] ?? task.state;
  const loss = task.step > 0 && Number.isFinite(task.loss) ? `  loss ${formatNumber(task.loss)}` : '';
  return `${task.state === 'failed' ? pc.red(state) : state}${loss}`;
}

/** Steps done; a finished task is full, whatever was reported last. */
export function barValue(task: SiloTask | undefined, total: number): number {
  if (task === undefined) return 0;
  return task.state === 'done' || task.state === 'uploading' ? total : Math.min(task.step, total);
}

/** A bar for each silo under the lines, on a terminal. */
export function barDisplay(silos: readonly string[], steps: number): Display {
  const bars = new cliProgress.MultiBar({
    format: `${pc.bold('{silo}')}  ${pc.cyan('{bar}')}  {value}/{total}  {state}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    stopOnComplete: false,
    clearOnComplete: true,
    stream: process.stdout,
    gracefulExit: false,
    fps: 10,
  });
  let rows = new Map<string, cliProgress.SingleBar>();
  return {
    line: (text) => {
      if (rows.size > 0) bars.log(`${text}\n`);
      else process.stdout.write(`${text}\n`);
    },
    update: (run) => {
      if (hasEnded(run)) return;
      if (rows.size === 0)
        rows = new Map(silos.map((silo) => [silo, bars.create(steps, 0, { silo, state: pc.dim('waits') })]));
      for (const [silo, bar] of rows) {
        const task = run.silos.find((one) => one.silo === silo);
        bar.update(barValue(task, steps), { silo, state: barText(task, run.phase) });
      }
    },
    close: () => {
      bars.stop();
      rows = new Map();
    },
  };
}
