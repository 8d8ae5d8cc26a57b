import type { Clock } from '../../clock.js';
import type { AuditLog } from '../../evidence/audit.js';
import { whileWide } from '../../rpc/while-wide.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { RunInput } from '../../rpc/gen/fedrot/v1/Run.js';
import { adapterRef } from '../coordinator/assignments.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { bestVersion } from '../round/scores.js';
import type { AccessHandlers } from './access-service.js';
import { audited } from './audited.js';
import type { BundleSigning } from './bundle-signature.js';
import { createRun } from './create-run.js';
import { fetchAdapter } from './fetch-adapter.js';
import type { Identity } from './identity.js';
import { pushBundleFile } from './push-bundle-file.js';
import { createRunControl } from './run-control.js';
import { runSummary, runView } from './run-view.js';

/** A watcher is told at most so often; changes in between are told together. */
/** Between two snapshots of a run: short, and long beside what a snapshot takes, so that watchers cost little. */
const WATCH_INTERVAL_MS = 20;
const WATCH_SHARE = 5;

export interface AdminServiceOptions {
  readonly coordinator: Coordinator;
  readonly identity: Identity;
  /** Default: nothing is written down. */
  readonly audit?: AuditLog;
  /** Default: bundles are not signed. */
  readonly signing?: BundleSigning;
  readonly access: AccessHandlers;
}

/** The calls that an operator makes, as plain functions. */
export function createAdminService(options: AdminServiceOptions): AdminHandlers {
  const { coordinator, identity, audit, signing } = options;
  const view = (runId: string): Promise<RunInput> => runView(coordinator, coordinator.run(runId));

  return {
    ...options.access,
    ...createRunControl({ coordinator, identity, audit }),

    async createRun(requests, context) {
      identity.operator('operate', context);
      return audited(
        audit,
        context,
        'run.create',
        async () => ({ runId: await whileWide(context, () => createRun(coordinator, requests, context)) }),
        (created) => ({ object: created?.runId ?? 'a run' }),
      );
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
        // Whoever follows a run wants to know how its last round came out.
        const isOver = run.state.phase === 'done' && run.undiagnosed.size === 0;
        const began = performance.now();
        const snapshot = await view(runId);
        const tookMs = performance.now() - began;
        yield { run: snapshot };
        if (isOver) return;
        await pause(coordinator.clock, Math.max(WATCH_INTERVAL_MS, WATCH_SHARE * tookMs), context.signal);
      }
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
      const best = bestVersion(run.state.scores ?? []);
      return Promise.resolve({
        adapters: [...run.adapters.keys()].map((version) => ({
          ...adapterRef(run, version),
          best: version === best,
        })),
      });
    },

    async *fetchAdapter(request, context) {
      identity.operator('operate', context);
      const open = async () => fetchAdapter(coordinator, request, 'operator');
      const object = `${request.runId} version ${request.version}`;
      yield* await audited(audit, context, 'adapter.fetch', open, () => ({ object }));
    },

    async pushBundleFile(requests, context) {
      identity.operator('operate', context);
      const push = () => whileWide(context, () => pushBundleFile(coordinator, requests, context, signing));
      const { complete } = await audited(audit, context, 'bundle.push', push, (pushed) => ({
        object: pushed === undefined ? 'a file of a bundle' : `bundle ${pushed.bundle} ${pushed.file}`,
      }));
      return { complete };
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
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    // A watch may be open for days: no listener may stay behind.
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
