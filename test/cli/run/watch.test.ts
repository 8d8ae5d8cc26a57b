import { describe, expect, it } from 'vitest';
import type { AdminClient } from '../../../src/cli/admin/connect.js';
import { watchRun } from '../../../src/cli/run/watch.js';
import { FedrotError } from '../../../src/errors.js';
import type { Run } from '../../../src/rpc/gen/fedrot/v1/Run.js';
import { round, snapshot } from '../support/runs.js';

const POLICY = { initialMs: 1, maxMs: 2, factor: 2, maxAttempts: 5 };
const finished = snapshot({ state: 'RUN_STATE_FINISHED', round: 3 });
const broken = new FedrotError('unavailable', 'connection dropped');

/** A client whose calls of WatchRun play one script after the other: runs to tell, or an error to throw. */
function playing(...scripts: readonly (readonly (Run | FedrotError)[])[]): AdminClient {
  let call = 0;
  const watch = async function* (): AsyncGenerator<{ run: Run }> {
    for (const step of scripts[call++] ?? []) {
      if (step instanceof FedrotError) throw step;
      yield { run: step };
    }
  };
  return { watchRun: watch } as unknown as AdminClient;
}

async function rounds(admin: AdminClient, signal?: AbortSignal): Promise<number[]> {
  const seen: number[] = [];
  for await (const run of watchRun(admin, 'spam', { policy: POLICY, signal })) seen.push(run.round);
  return seen;
}

describe('watchRun', () => {
  it('ends with the run', async () => {
    expect(await rounds(playing([snapshot({ round: 1 }), finished, snapshot({ round: 9 })]))).toEqual([1, 3]);
  });

  const pending = { ...round(1), diagnosis: 'pending', diagnosticsJson: '' };
  const measuring = snapshot({ state: 'RUN_STATE_FINISHED', round: 3, rounds: [pending] });

  it('waits for the errors of an ended run, and not for those of a coordinator that says nothing of them', async () => {
    const measured = snapshot({ state: 'RUN_STATE_FINISHED', round: 4, rounds: [round(1)] });
    expect(await rounds(playing([measuring, measuring, measured, snapshot({ round: 9 })]))).toEqual([
      3, 3, 4,
    ]);
    const silent = snapshot({ ...measuring, rounds: [{ ...pending, diagnosis: '' }] });
    expect(await rounds(playing([silent, snapshot({ round: 9 })]))).toEqual([3]);
  });

  it('does not wait for ever for errors that do not come', async () => {
    const hanging = async function* (_request: unknown, { signal }: { signal: AbortSignal }) {
      yield { run: measuring };
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new FedrotError('cancelled', 'left'));
        });
      });
    };
    const admin = { watchRun: hanging } as unknown as AdminClient;
    const seen: Run[] = [];
    for await (const run of watchRun(admin, 'spam', { patienceMs: 50 })) seen.push(run);
    expect(seen).toEqual([measuring]);
  });

  it('goes on after breaks, and after a stream that ends by itself', async () => {
    const admin = playing(
      [snapshot({ round: 1 }), broken],
      [broken],
      [broken],
      [snapshot({ round: 2 })],
      [finished],
    );
    expect(await rounds(admin)).toEqual([1, 2, 3]);
  });

  it.each<[string, readonly (readonly (Run | FedrotError)[])[], string]>([
    ['nothing was ever heard', [[broken]], 'unavailable'],
    ['the run is not known', [[new FedrotError('run_unknown', 'no run spam')]], 'run_unknown'],
    [
      'the run is not known any more',
      [[snapshot(), broken], [new FedrotError('run_unknown', 'no run spam')]],
      'run_unknown',
    ],
    ['the policy gives up', [[snapshot(), broken], [broken], [broken], [broken], [broken]], 'unavailable'],
  ])('fails where %s', async (_name, scripts, code) => {
    await expect(rounds(playing(...scripts))).rejects.toMatchObject({ code });
  });

  it('ends silently when it is told to', async () => {
    const controller = new AbortController();
    const admin = playing([snapshot({ round: 1 }), broken], [snapshot({ round: 2 })]);
    const seen: number[] = [];
    for await (const run of watchRun(admin, 'spam', { policy: POLICY, signal: controller.signal })) {
      seen.push(run.round);
      controller.abort();
    }
    expect(seen).toEqual([1]);
  });
});
