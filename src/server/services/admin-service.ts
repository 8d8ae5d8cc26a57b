import type { Clock } from '../../clock.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { RunInput } from '../../rpc/gen/fedrot/v1/Run.js';
import { adapterRef } from '../coordinator/assignments.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { cleanText } from './checks.js';
import { createRun } from './create-run.js';
import { fetchAdapter } from './fetch-adapter.js';
import type { Identity } from './identity.js';
import { pushBundleFile } from './push-bundle-file.js';
import { runSummary, runView } from './run-view.js';

/** A watcher is told at most so often; changes in between are told together. */
const WATCH_INTERVAL_MS = 100;

export interface AdminServiceOptions {
  readonly coordinator: Coordinator;
  readonly identity: Identity;
}

/** The calls that an operator makes, as plain functions. */
export function createAdminService({ coordinator, identity }: AdminServiceOptions): AdminHandlers {
  const view = (runId: string): Promise<RunInput> => runView(coordinator, coordinator.run(runId));

  return {
    async createRun(requests, context) {
      identity.operator('operate', context);
      return { runId: await createRun(coordinator, requests) };
    },

    async listRuns(_request, context) {
      identity.operator('view', context);
      return Promise.resolve({ runs: coordinator.runs().map(runSummary) });
    },

    async getRun({ runId }, context) {
      identity.operator('view', context);
      return view(runId);
    },

    async *watchRun({ runId }, context) {
      identity.operator('view', context);
      const run = coordinator.run(runId);
      for await (const _change of coordinator.changes.watch(runId, context.signal)) {
        const isOver = run.state.phase === 'done';
        yield { run: await view(runId) };
        if (isOver) return;
        await pause(coordinator.clock, WATCH_INTERVAL_MS, context.signal);
      }
    },

    async stopRun({ runId, reason }, context) {
      const operator = identity.operator('operate', context);
      const run = coordinator.run(runId);
      coordinator.logger.info({ run: runId, operator }, 'an operator stops a run');
      await run.send({ type: 'stop', reason: cleanText(reason, 500) || 'stopped by an operator' });
      return view(runId);
    },

    async listSilos(_request, context) {
      identity.operator('view', context);
      const known = await coordinator.store.silos();
      return {
        silos: known.map((silo) => {
          const live = coordinator.silos.get(silo.silo);
          return {
            silo: silo.silo,
            role: silo.role === 'trainer' ? 'SILO_ROLE_TRAINER' : 'SILO_ROLE_EVALUATOR',
            connected: live?.connected ?? false,
            lastSeenMs: live?.record.lastSeenMs ?? silo.lastSeenMs,
            examples: silo.examples,
            softwareVersion: silo.softwareVersion,
            updatesAccepted: silo.updatesAccepted,
            failures: silo.failures,
          };
        }),
      };
    },

    async listAdapters({ runId }, context) {
      identity.operator('view', context);
      const run = coordinator.run(runId);
      return Promise.resolve({
        adapters: [...run.adapters.keys()].map((version) => adapterRef(run, version)),
      });
    },

    async *fetchAdapter(request, context) {
      identity.operator('view', context);
      yield* fetchAdapter(coordinator, request);
    },

    async pushBundleFile(requests, context) {
      identity.operator('operate', context);
      return { complete: await pushBundleFile(coordinator, requests) };
    },

    async listBundles(_request, context) {
      identity.operator('view', context);
      const bundles = await coordinator.bundles.list();
      return {
        bundles: bundles.map(({ sha256, bytes, complete }) => ({ bundleSha256: sha256, bytes, complete })),
      };
    },
  };
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve);
    signal.addEventListener(
      'abort',
      () => {
        cancel();
        resolve();
      },
      { once: true },
    );
  });
}
