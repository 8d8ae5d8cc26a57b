import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/clock.js';
import { leaveWhenIdle } from '../../../src/server/transfer/leave-when-idle.js';

/** Time that passes when it is told to, one step after the other, as timers of a real one fire. */
class StepClock implements Clock {
  #now = 0;
  readonly #timers = new Map<() => void, number>();
  now(): number {
    return this.#now;
  }
  after(delayMs: number, fire: () => void): () => void {
    const timer = (): void => {
      fire();
    };
    this.#timers.set(timer, this.#now + delayMs);
    return () => {
      this.#timers.delete(timer);
    };
  }
  async pass(ms: number): Promise<void> {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now++;
      for (const [timer, at] of [...this.#timers]) if (at <= this.#now && this.#timers.delete(timer)) timer();
      await Promise.resolve();
    }
  }
}

/** Takes messages that come after so many ms each; whether the place was left. */
async function leftAfter(pauses: readonly number[]): Promise<boolean> {
  const clock = new StepClock();
  let left = false;
  let send: (message: number) => void = () => undefined;
  const messages = async function* (): AsyncGenerator<number> {
    for (const _ of pauses) yield await new Promise<number>((resolve) => (send = resolve));
  };
  const place = {
    leave: () => {
      left = true;
    },
  };
  const taken = leaveWhenIdle(messages(), place, clock);
  for (const [i, pause] of pauses.entries()) {
    const next = taken.next();
    for (let tick = 0; tick < 10; tick++) await Promise.resolve();
    await clock.pass(pause);
    send(i);
    expect((await next).value).toBe(i);
  }
  expect((await taken.next()).done).toBe(true);
  await clock.pass(1000); // nothing is waited for any more
  return left;
}

describe('the place of an upload', () => {
  it('is kept while messages come, also by one that came while the process was busy', async () => {
    expect(await leftAfter([50, 99, 0, 80])).toBe(false);
    expect(await leftAfter([120, 0, 120])).toBe(false);
  });

  it('is left by a link that is slow, whether it stands still or goes on steadily', async () => {
    expect(await leftAfter([0, 600, 0])).toBe(true);
    expect(await leftAfter([200, 200, 200])).toBe(true);
  });
});
