import type { RunEvent } from '../../../src/server/round/events.js';
import type { Effect } from '../../../src/server/round/effects.js';
import {
  initialState,
  type Connected,
  type RoundPolicy,
  type RunState,
  type TaskState,
} from '../../../src/server/round/state.js';
import { newestTasks } from '../../../src/server/round/tasks.js';
import { step } from '../../../src/server/round/step.js';

export function policy(
  rounds: Partial<RoundPolicy['rounds']> = {},
  evaluation: Partial<RoundPolicy['evaluation']> = {},
): RoundPolicy {
  return {
    rounds: {
      count: 2,
      minSilos: 2,
      deadlineMs: 1000,
      maxAttempts: 3,
      sampling: 'uniform',
      setAside: { failures: 3, forMs: 60_000 },
      mode: 'sync',
      late: 'refuse',
      staleness: { weight: { kind: 'polynomial', exponent: 0.5 } },
      ...rounds,
    },
    evaluation: { every: 1, timeoutMs: 500, ...evaluation },
    seed: 0,
  };
}

/** A run driven by hand: events in, effects of the last event out. */
export class Table {
  state: RunState;
  at = 0;
  effects: readonly Effect[] = [];
  refusal: string | undefined;

  constructor(given: RoundPolicy = policy(), connected?: Connected) {
    this.state = initialState('run', given, connected);
  }

  send(event: RunEvent): this {
    const { state, effects, refusal } = step(this.state, event);
    this.state = state;
    this.effects = effects;
    this.refusal = refusal?.code;
    return this;
  }

  join(...silos: string[]): this {
    for (const silo of silos) this.send({ type: 'join', at: this.at, silo, role: 'trainer' });
    return this;
  }

  evaluator(silo: string): this {
    return this.send({ type: 'join', at: this.at, silo, role: 'evaluator' });
  }

  leave(silo: string): this {
    return this.send({ type: 'leave', at: this.at, silo });
  }

  /** What the silo does now, or did last. */
  task(silo: string): TaskState | undefined {
    return newestTasks(this.state).find((task) => task.silo === silo);
  }

  taskId(silo: string): string {
    return this.task(silo)?.id ?? 'none';
  }

  update(silo: string, changes: Partial<Extract<RunEvent, { type: 'update' }>> = {}): this {
    return this.send({
      type: 'update',
      at: this.at,
      silo,
      round: this.task(silo)?.round ?? this.state.round,
      taskId: this.taskId(silo),
      baseVersion: this.task(silo)?.baseVersion ?? this.state.version,
      update: { sha256: `${silo}-${this.task(silo)?.round ?? this.state.round}`, examples: 10 },
      ...changes,
    });
  }

  fail(silo: string, taskId = this.taskId(silo)): this {
    return this.send({
      type: 'task-failed',
      at: this.at,
      silo,
      taskId,
      code: 'data_empty',
      message: 'no rows',
    });
  }

  aggregated(round = this.state.round): this {
    return this.send({ type: 'aggregated', at: this.at, round });
  }

  later(ms: number): this {
    this.at += ms;
    return this.send({ type: 'tick', at: this.at });
  }

  assigned(): string[] {
    return this.effects.filter((effect) => effect.type === 'assign').map((effect) => effect.silo);
  }

  kinds(): string[] {
    return this.effects.map((effect) => effect.type);
  }
}
