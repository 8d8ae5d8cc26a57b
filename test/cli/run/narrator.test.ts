import { describe, expect, it } from 'vitest';
import { RunNarrator } from '../../../src/cli/run/narrator.js';
import { viewRounds } from '../../../src/cli/run/run-view.js';
import { evaluation, round, snapshot } from '../support/runs.js';

describe('viewRounds', () => {
  it('joins a round with the scores of its version, weighted by examples', () => {
    const run = snapshot({
      rounds: [round(1, { losses: [1, 2], examples: [300, 100] })],
      evaluations: [
        evaluation(0, 0.5),
        evaluation(1, 0.8, { examples: 100 }),
        evaluation(1, 0.6, { examples: 300 }),
      ],
    });
    const [view] = viewRounds(run);
    expect(view).toMatchObject({
      round: 1,
      updates: 2,
      seconds: 4,
      bytesReceived: 2000,
      aggregationError: 0.25,
      aggregationErrorFedit: 0.5,
    });
    expect(view?.accuracy).toBeCloseTo(0.65, 12);
    expect(view?.trainLoss).toBeCloseTo(1.25, 12);
  });

  it('knows nothing where nothing is known', () => {
    const [view] = viewRounds(snapshot({ rounds: [{ ...round(1), updates: [], diagnosticsJson: '' }] }));
    expect(view).toMatchObject({ accuracy: null, loss: null, trainLoss: null, aggregationError: null });
  });
});

describe('RunNarrator', () => {
  it('tells a round once, and not before its score', () => {
    const narrator = new RunNarrator();
    const rounds = [round(1)];
    expect(narrator.tell(snapshot({ phase: 'collecting' }))).toEqual([]);
    expect(narrator.tell(snapshot({ evaluations: [evaluation(0, 0.3)] }))).toEqual([
      'before training   accuracy 30.0 %',
    ]);
    expect(
      narrator.tell(snapshot({ rounds, phase: 'evaluating', evaluations: [evaluation(0, 0.3)] })),
    ).toEqual([]);
    const scored = snapshot({
      rounds,
      phase: 'evaluating',
      evaluations: [evaluation(0, 0.3), evaluation(1, 0.9)],
    });
    const [line, ...rest] = narrator.tell(scored);
    expect(rest).toEqual([]);
    expect(line).toMatch(
      /^round 1\/3 {3}accuracy 90\.0 % {3}loss 0\.100 {3}2 updates {3}error 0\.250 \(plain averaging 0\.500\)/,
    );
    expect(narrator.tell(scored)).toEqual([]);
  });

  it('tells a round with its error, which may come after the end; or without, where no other word follows', () => {
    const pending = { ...round(1), diagnosis: 'pending', diagnosticsJson: '' };
    const ended = { state: 'RUN_STATE_FINISHED', phase: 'done' } as const;
    const narrator = new RunNarrator();
    expect(narrator.tell(snapshot({ ...ended, rounds: [pending] }))).toEqual([]);
    const [line, end] = narrator.tell(snapshot({ ...ended, rounds: [round(1)] }));
    expect(line).toContain('error 0.250');
    expect(end).toBe('finished');
    const impatient = new RunNarrator();
    const [without] = impatient.tell(snapshot({ ...ended, rounds: [pending] }), { last: true });
    expect(without).toMatch(/^round 1.*updates/);
    expect(without).not.toContain('error');
  });

  it('does not wait for a score that will not come, nor lose rounds that it did not see', () => {
    const narrator = new RunNarrator();
    const lines = narrator.tell(
      snapshot({
        state: 'RUN_STATE_FINISHED',
        phase: 'done',
        rounds: [round(1), round(2), round(3)],
        evaluations: [evaluation(2, 0.9)],
      }),
    );
    expect(lines.map((line) => line.slice(0, 9))).toEqual([
      'round 1/3',
      'round 2/3',
      'round 3/3',
      'finished',
    ]);
    expect(lines[0]).not.toContain('accuracy');
    expect(lines[1]).toContain('accuracy 90.0 %');
  });

  it('says who failed, what it waits for, and why it ended', () => {
    const narrator = new RunNarrator();
    const waiting = snapshot({ state: 'RUN_STATE_WAITING', reason: '1 of 2 silos are connected' });
    expect(narrator.tell(waiting)).toEqual(['waiting: 1 of 2 silos are connected']);
    expect(narrator.tell(waiting)).toEqual([]);
    const failures = [{ silo: 'silo-2', code: 'data_unknown_label', message: 'label "x"', atMs: 1 }];
    expect(
      narrator.tell(
        snapshot({ state: 'RUN_STATE_FAILED', reason: 'no quorum', rounds: [{ ...round(1), failures }] }),
      ),
    ).toEqual([
      'silo-2 failed: label "x"',
      expect.stringMatching(/^round 1\/3/) as string,
      'failed: no quorum',
    ]);
  });
});
