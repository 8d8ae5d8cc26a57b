import type { Clock } from '../clock.js';
import { child, parseContext, type Tracing } from '../trace/tracing.js';
import type { Phase } from './progress-reporter.js';

/** A task as part of its round's trace: one span, and below it one for each phase. Nothing where the coordinator traces nothing. */
export class TaskTrace {
  /** For the calls that the task makes; undefined where nothing is traced. */
  readonly context: string | undefined;
  readonly #startMs: number;
  #phase: { readonly name: Phase; readonly startMs: number } | undefined;

  constructor(
    private readonly tracing: Tracing,
    private readonly clock: Clock,
    private readonly parent: string,
    private readonly attributes: Readonly<Record<string, string | number>>,
  ) {
    this.context = tracing.enabled && parseContext(parent) !== undefined ? child(parent) : undefined;
    this.#startMs = clock.now();
  }

  enter(name: Phase): void {
    if (this.#phase?.name === name) return;
    this.#endPhase();
    this.#phase = { name, startMs: this.clock.now() };
  }

  /** `error`: the code, where the task failed. */
  end(name: string, error?: string): void {
    const { context, parent } = this;
    if (context === undefined) return;
    this.#endPhase();
    this.tracing.record({
      name,
      context,
      parent,
      startMs: this.#startMs,
      endMs: this.clock.now(),
      attributes: this.attributes,
      ...(error !== undefined && { error }),
    });
  }

  #endPhase(): void {
    const { context } = this;
    if (context === undefined || this.#phase === undefined) return;
    this.tracing.record({
      name: this.#phase.name,
      context: child(context),
      parent: context,
      startMs: this.#phase.startMs,
      endMs: this.clock.now(),
      attributes: this.attributes,
    });
    this.#phase = undefined;
  }
}
