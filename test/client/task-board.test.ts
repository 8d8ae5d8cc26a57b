import { describe, expect, it } from 'vitest';
import { FairShare } from '../../src/client/fair-share.js';
import { TaskBoard, type Abandonment, type Task } from '../../src/client/task-board.js';
import type { Clock } from '../../src/clock.js';
import type { Assignment } from '../../src/rpc/gen/fedrot/v1/Assignment.js';

/** A clock that only tasks move on. */
class WorkClock implements Clock {
  ms = 0;
  now(): number {
    return this.ms;
  }
  after(): () => void {
    return () => undefined;
  }
}

function train(runId: string, round: number, share?: number, specJson?: string): Assignment {
  const spec = specJson ?? JSON.stringify(share === undefined ? {} : { share });
  const task = { runId, round, specJson: spec } as NonNullable<Assignment['train']>;
  return { taskId: `${runId}/${round}`, traceparent: '', train: task };
}

const runOf = (task: Task): string => (task.kind === 'train' ? task.train.runId : '');

/** Runs that always have a next task, which takes so long; how much time each has got after `turns` tasks. */
async function serve(
  runs: Readonly<Record<string, { share?: number; takesMs: number; from?: number }>>,
  turns: number,
): Promise<{ spent: Map<string, number>; order: string[] }> {
  const clock = new WorkClock();
  const board = new TaskBoard(clock);
  const spent = new Map<string, number>();
  const order: string[] = [];
  for (const [run, { share, from = 0 }] of Object.entries(runs))
    if (from === 0) board.offer(train(run, 1, share));
  await board.run((task) => {
    const run = runOf(task);
    const { takesMs = 0, share } = runs[run] ?? {};
    clock.ms += takesMs;
    order.push(run);
    spent.set(run, (spent.get(run) ?? 0) + takesMs);
    // The coordinator has the next round ready at once.
    board.offer(train(run, order.length + 1, share));
    for (const [late, { from, share: weight }] of Object.entries(runs))
      if (from === order.length) board.offer(train(late, 1, weight));
    if (order.length >= turns) board.close();
    return Promise.resolve();
  });
  return { spent, order };
}

describe('several runs on one silo', () => {
  it('get time in proportion to their shares', async () => {
    const { spent } = await serve({ a: { share: 1, takesMs: 100 }, b: { share: 3, takesMs: 100 } }, 400);
    expect(spent.get('b')! / spent.get('a')!).toBeCloseTo(3, 1);
  });

  it('get the same time without shares, however long the tasks of one are', async () => {
    const { spent, order } = await serve({ slow: { takesMs: 1000 }, quick: { takesMs: 10 } }, 1000);
    expect(spent.get('quick')! / spent.get('slow')!).toBeCloseTo(1, 1);
    expect(order.filter((run) => run === 'slow').length).toBeGreaterThanOrEqual(9); // and it does not starve
  });

  it('a run that begins later saves up nothing: it shares from then on', async () => {
    const { order } = await serve({ old: { takesMs: 10 }, late: { takesMs: 10, from: 100 } }, 200);
    const after = order.slice(100);
    expect(Math.abs(after.filter((run) => run === 'late').length - 50)).toBeLessThanOrEqual(1);
    for (let i = 1; i < after.length - 2; i++) expect(new Set(after.slice(i, i + 3)).size).toBe(2);
  });

  it('nor does one that was idle for a while', () => {
    const fair = new FairShare();
    const [a, b] = [{ runId: 'a', share: 1 }, { runId: 'b', share: 1 }]; // prettier-ignore
    fair.enter(a);
    fair.enter(b);
    for (let i = 0; i < 10; i++) {
      fair.next([a]);
      fair.spent(a, 100);
    }
    fair.enter(b); // back after a second without work
    const order: string[] = [];
    for (let i = 0; i < 6; i++) {
      const next = fair.next([a, b]);
      order.push(next?.runId ?? '');
      if (next) fair.spent(next, 100);
    }
    expect(order).toEqual(['b', 'a', 'b', 'a', 'b', 'a']); // not ten turns in a row
  });

  it('of one run, tasks come in their order; settings that cannot be read get a turn too', async () => {
    const board = new TaskBoard(new WorkClock());
    const done: string[] = [];
    board.offer({ taskId: 'x/e0', traceparent: '', evaluate: { runId: 'x', specJson: '{' } } as Assignment);
    board.offer({ taskId: 'x/e1', traceparent: '', evaluate: { runId: 'x', specJson: '7' } } as Assignment);
    board.offer(train('x', 1, undefined, 'null'));
    await board.run((task) => {
      done.push(task.taskId);
      if (done.length === 3) board.close();
      return Promise.resolve();
    });
    expect(done).toEqual(['x/e0', 'x/e1', 'x/1']);
  });

  it('a later round of a run takes the place of an earlier one; a cancelled task is dropped or aborted', async () => {
    const board = new TaskBoard(new WorkClock());
    const done: string[] = [];
    for (const round of [1, 2]) board.offer(train('a', round));
    board.offer(train('b', 1));
    board.offer({ taskId: 'b/1', traceparent: '', cancel: { reason: 'enough' } });
    await board.run((task, signal) => {
      done.push(task.taskId);
      board.offer({ taskId: 'a/2', traceparent: '', cancel: { reason: 'closed' } });
      expect((signal.reason as Abandonment).reason).toMatch(/closed/);
      board.close();
      return Promise.resolve();
    });
    expect(done).toEqual(['a/2']);
  });
});
