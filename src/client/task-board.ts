import type { Clock } from '../clock.js';
import type { Assignment } from '../rpc/gen/fedrot/v1/Assignment.js';
import type { EvaluateTask } from '../rpc/gen/fedrot/v1/EvaluateTask.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import { FairShare, type Claim } from './fair-share.js';

interface OfRound {
  readonly taskId: string;
  /** Of the round's trace; empty where it is not traced. */
  readonly traceparent: string;
}

export type Task =
  | (OfRound & { readonly kind: 'train'; readonly train: TrainTask })
  | (OfRound & { readonly kind: 'evaluate'; readonly evaluate: EvaluateTask });

/** Why a task ends before it is done; `tell` is whether the coordinator has to hear of it. */
export interface Abandonment {
  readonly reason: string;
  readonly tell: boolean;
}

/** Tasks that wait at the same time; what comes beyond is offered again by a coordinator that means it. */
const MAX_WAITING = 1000;

interface Waiting extends Claim {
  readonly task: Task;
}

interface Running extends Claim {
  readonly task: Task;
  readonly controller: AbortController;
}

function taskOf(assignment: Assignment): Task | undefined {
  const { taskId, traceparent, train, evaluate } = assignment;
  if (train) return { kind: 'train', taskId, traceparent, train };
  if (evaluate) return { kind: 'evaluate', taskId, traceparent, evaluate };
  return undefined;
}

/** The run that a task is of. One whose settings cannot be read gets its turn too, and says so then. */
function claimOf(task: Task): Claim {
  const { runId, specJson } = task.kind === 'train' ? task.train : task.evaluate;
  return { runId, share: shareOf(specJson) };
}

function shareOf(specJson: string): number {
  try {
    const { share } = JSON.parse(specJson) as { readonly share?: unknown };
    return typeof share === 'number' && share > 0 ? share : 1;
  } catch {
    return 1;
  }
}

/** A training task is pointless once the same run has a later round. */
function isSuperseded(task: Task, by: Task): boolean {
  return (
    task.kind === 'train' &&
    by.kind === 'train' &&
    task.train.runId === by.train.runId &&
    task.train.round < by.train.round
  );
}

/**
 * Which task is next: one at a time; of one run in the order in which they came, of several runs by their shares. The same task offered again changes nothing; a
 * cancelled one is dropped, or aborted where it is under way; so is one whose run has gone on to a later round.
 */
export class TaskBoard {
  readonly #clock: Clock;
  readonly #fair = new FairShare();
  #waiting: Waiting[] = [];
  #running: Running | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  offer(assignment: Assignment): void {
    if (assignment.cancel) {
      this.#drop((task) => task.taskId === assignment.taskId, {
        reason: `cancelled by the coordinator: ${assignment.cancel.reason}`,
        tell: false,
      });
      return;
    }
    const task = taskOf(assignment);
    if (task === undefined || this.#closed) return;
    this.#drop((older) => isSuperseded(older, task), {
      reason: 'the run has gone on to a later round',
      tell: false,
    });
    if (this.#running?.task.taskId === task.taskId && !this.#running.controller.signal.aborted) return;
    if (this.#waiting.some((waiting) => waiting.task.taskId === task.taskId)) return;
    if (this.#waiting.length >= MAX_WAITING) return;
    const claim = claimOf(task);
    const busy = [...this.#waiting, this.#running].some((other) => other?.runId === claim.runId);
    if (!busy) this.#fair.enter(claim);
    this.#waiting.push({ ...claim, task });
    this.#wake?.();
  }

  /** Performs tasks until closed. The signal's reason is an Abandonment. `perform` must not throw. */
  async run(perform: (task: Task, signal: AbortSignal) => Promise<void>): Promise<void> {
    for (let next = await this.#next(); next !== undefined; next = await this.#next()) {
      const controller = new AbortController();
      this.#running = { ...next, controller };
      const startMs = this.#clock.now();
      await perform(next.task, controller.signal);
      this.#fair.spent(next, this.#clock.now() - startMs);
      this.#running = undefined;
    }
  }

  /** No further task begins; `run` resolves when the one under way has ended. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#wake?.();
  }

  /** Aborts the task under way. */
  abandon(abandonment: Abandonment): void {
    this.#running?.controller.abort(abandonment);
  }

  #drop(which: (task: Task) => boolean, abandonment: Abandonment): void {
    this.#waiting = this.#waiting.filter(({ task }) => !which(task));
    if (this.#running !== undefined && which(this.#running.task)) this.abandon(abandonment);
  }

  async #next(): Promise<Waiting | undefined> {
    while (this.#waiting.length === 0 && !this.#closed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#wake = undefined;
    const next = this.#fair.next(this.#waiting);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== next);
    return next;
  }
}
