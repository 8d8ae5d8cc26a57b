import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.js';
import { steadyClock } from '../../src/server/steady-clock.js';

/** A machine whose time passes and is set by hand. */
class Machine {
  wallMs = 1_000_000;
  elapsedMs = 50;
  readonly jumps: number[] = [];
  readonly clock: Clock;

  constructor() {
    const wall: Clock = { now: () => this.wallMs, after: () => () => undefined };
    this.clock = steadyClock(wall, {
      monotonic: () => this.elapsedMs,
      onJump: (byMs) => this.jumps.push(byMs),
    });
  }

  pass(ms: number): number {
    this.wallMs += ms;
    this.elapsedMs += ms;
    return this.clock.now();
  }
}

describe('a steady clock', () => {
  it('follows the machine, small corrections too', () => {
    const machine = new Machine();
    expect(machine.pass(500)).toBe(1_000_500);
    machine.wallMs += 300;
    expect(machine.pass(100)).toBe(1_000_900);
    expect(machine.jumps).toEqual([]);
  });

  it('keeps to elapsed time when the machine is set forth or back', () => {
    const machine = new Machine();
    machine.wallMs += 3_600_000;
    expect(machine.pass(100)).toBe(1_000_100);
    machine.wallMs -= 7_200_000;
    expect(machine.pass(100)).toBe(1_000_200);
    expect(machine.jumps).toEqual([3_600_000, -7_200_000]);
  });

  it('never goes back', () => {
    const machine = new Machine();
    const before = machine.pass(100);
    machine.wallMs -= 900;
    expect(machine.clock.now()).toBe(before);
  });
});
