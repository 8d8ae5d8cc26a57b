import pc from 'picocolors';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import type { SiloTask } from '../../rpc/gen/fedrot/v1/SiloTask.js';
import { formatDuration, formatNumber, formatPercent } from '../format.js';
import { accuracyOf, hasEnded, stateOf, viewRounds } from './run-view.js';

const BAR = 24;
const SPARKS = '▁▂▃▄▅▆▇█';
/** Silos that are shown; with more, those under way and failed come first. */
const SHOWN_SILOS = 16;

/** `values` as a line of blocks, the newest last, at most `width` of them. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low;
  return shown
    .map((value) => SPARKS[span === 0 ? 3 : Math.round(((value - low) / span) * (SPARKS.length - 1))])
    .join('');
}

export function bar(done: number, total: number, width = BAR): string {
  const full = total === 0 ? 0 : Math.round((Math.min(done, total) / total) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

const ORDER = ['failed', 'training', 'uploading', 'assigned', 'late', 'done'];
const rank = ({ state }: SiloTask): number => ORDER.indexOf(state);

function siloLine(task: SiloTask, width: number, paint: ReturnType<typeof pc.createColors>): string {
  const { silo, state, step, totalSteps, loss, message } = task;
  const finished = state === 'done' || state === 'uploading';
  const progress = bar(finished ? 1 : step, finished ? 1 : totalSteps);
  const steps = totalSteps > 0 ? `${finished ? totalSteps : step}/${totalSteps}` : '';
  const said =
    message !== '' ? message : step > 0 && Number.isFinite(loss) ? `loss ${formatNumber(loss)}` : '';
  const colour = state === 'failed' ? paint.red : state === 'done' ? paint.green : paint.cyan;
  return `  ${silo.padEnd(width)}  ${colour(progress)}  ${steps.padStart(9)}  ${state.padEnd(9)}  ${said}`;
}

/** A run as a screen of lines, none longer than `columns`; `nowMs` is for the countdown. */
export function liveLines(
  run: Run,
  {
    columns,
    nowMs,
    colors = true,
  }: { readonly columns: number; readonly nowMs: number; readonly colors?: boolean },
): string[] {
  const paint = pc.createColors(colors);
  const rounds = viewRounds(run);
  const accuracies = [accuracyOf(run, 0), ...rounds.map(({ accuracy }) => accuracy)].filter(
    (value) => value !== null,
  );
  const losses = rounds.flatMap(({ loss, trainLoss }) => loss ?? trainLoss ?? []);
  const newest = rounds.findLast(({ aggregationError }) => aggregationError !== null);
  const left =
    run.deadlineMs > nowMs && !hasEnded(run) ? `, ${formatDuration(run.deadlineMs - nowMs)} left` : '';
  const width = Math.max(4, ...run.silos.map(({ silo }) => silo.length));
  const silos = [...run.silos].sort((x, y) => rank(x) - rank(y) || (x.silo < y.silo ? -1 : 1));
  const lines = [
    `${paint.bold(run.runId)}  ${stateOf(run)}${run.reason === '' ? '' : `: ${run.reason}`}`,
    `${paint.green(bar(rounds.length, run.totalRounds))}  round ${run.round} of ${run.totalRounds}, ${run.phase}${left}`,
    ...(accuracies.length === 0
      ? []
      : [`accuracy  ${sparkline(accuracies, 40)}  ${formatPercent(accuracies.at(-1))}`]),
    ...(losses.length === 0 ? [] : [`loss      ${sparkline(losses, 40)}  ${formatNumber(losses.at(-1))}`]),
    ...(newest === undefined
      ? []
      : [
          `error     ${formatNumber(newest.aggregationError)}, plain averaging ${formatNumber(newest.aggregationErrorFedit)}`,
        ]),
    ...(hasEnded(run) ? [] : silos.slice(0, SHOWN_SILOS).map((task) => siloLine(task, width, paint))),
    ...(silos.length > SHOWN_SILOS && !hasEnded(run)
      ? [`  and ${silos.length - SHOWN_SILOS} more silos`]
      : []),
  ];
  return lines.map((line) => cut(line, columns));
}

/** Cut to so many visible characters; colour codes take no room. */
function cut(line: string, columns: number): string {
  const parts = line.split(ESCAPE);
  let room = columns;
  return parts
    .map((part) => {
      if (part.startsWith('\u001b')) return part;
      const kept = part.slice(0, Math.max(0, room));
      room -= part.length;
      return kept;
    })
    .join('');
}

/** A colour code of picocolors. */
const ESCAPE = new RegExp(`(${String.fromCharCode(27)}\\[\\d+m)`);

export interface Screen {
  readonly columns: number;
  write(text: string): void;
}

/** Draws lines over the ones that it drew before. */
export class LiveView {
  #drawn = 0;

  constructor(private readonly screen: () => Screen) {}

  draw(run: Run, nowMs: number): void {
    const screen = this.screen();
    const lines = liveLines(run, { columns: screen.columns, nowMs });
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`;
    screen.write(`${up}\u001b[J${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }
}
