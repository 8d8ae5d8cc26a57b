import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { systemClock, type Clock } from '../clock.js';
import { asFedrotError } from '../errors.js';
import { silentLogger, type Logger } from '../log.js';
import type { ProtocolRange } from '../rpc/protocol.js';
import type { CallEnd } from '../rpc/interceptors.js';
import { isLoopback } from '../pki/loopback.js';
import { createRpcServer } from '../rpc/server.js';
import { openTracing } from '../trace/open-tracing.js';
import { asksForToken, HttpTokens } from './access/http-tokens.js';
import { accessFolders } from './access/open-access.js';
import { securityMode } from './access/security-mode.js';
import { openTrust } from './access/trust.js';
import { AggregationWorkers, type Aggregate, type Diagnose } from './aggregation/aggregation-workers.js';
import type { CoordinatorConfig } from './config.js';
import { Coordinator } from './coordinator/coordinator.js';
import { StateGauges } from './gauge-states.js';
import { startHttp } from './http.js';
import { createApi } from './http/api.js';
import { identifyCaller, type CallerVariables } from './http/callers.js';
import { createDashboard } from './http/dashboard.js';
import { CoordinatorMetrics } from './metrics.js';
import type { ModelTools } from './model-tools.js';
import { openEvidence } from './evidence/open-evidence.js';
import { Retention } from './evidence/retention.js';
import { running, type RunningCoordinator } from './running.js';
import { createAccessService } from './services/access-service.js';
import { createAdminService, type AdminServiceOptions } from './services/admin-service.js';
import { createEnrolService } from './services/enrol-service.js';
import { byCertificate, byHttpToken, trustClaims, type Identity } from './services/identity.js';
import { createSiloService } from './services/silo-service.js';
import { BundleFolder } from './spool/bundle-folder.js';
import { TensorSpool } from './spool/tensor-spool.js';
import { steadyClock } from './steady-clock.js';
import { openSqliteStore } from './store/sqlite.js';
import { storageError } from './store/storage-error.js';
import type { Store } from './store/store.js';
import { UploadThread } from './transfer/upload-thread.js';
import { WebhookSender } from './webhooks/webhook-sender.js';

export interface StartOptions {
  /** Default: none is written. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: by certificate; in plaintext it believes what messages say. */
  readonly identity?: Identity;
  /** Default: in a worker thread. */
  readonly aggregate?: Aggregate;
  /** Default: in another one. */
  readonly diagnose?: Diagnose;
  /** Told to silos, e.g. 0.1.0. */
  readonly softwareVersion?: string;
  /** Default PROTOCOL: what this fedrot speaks. */
  readonly protocol?: ProtocolRange;
  /** Adds routes to the HTTP server. */
  readonly extendHttp?: (app: Hono<CallerVariables>, coordinator: Coordinator) => void;
  /** Default: runs are not started over HTTP. */
  readonly models?: ModelTools;
}

/**
 * Starts a coordinator on its data folder, carrying on with the runs that it finds there. Throws unavailable (an
 * address is taken), already_exists (another coordinator has the folder), config_invalid (plain text off loopback), storage_full,
 * storage_failed, storage_corrupt (a database, audit log or list of revocations that was changed).
 */
export async function startCoordinator(
  config: CoordinatorConfig,
  options: StartOptions = {},
): Promise<RunningCoordinator> {
  const { logger = silentLogger, clock = systemClock, softwareVersion = '' } = options;
  const steady = steadyClock(clock, {
    onJump: (byMs) => {
      logger.warn(
        { byMs },
        'the clock of this machine was set; deadlines keep to the time that really passes',
      );
    },
  });
  securityMode(config);
  const metrics = new CoordinatorMetrics();
  metrics.info.set({ version: softwareVersion }, 1);
  const store = await openStore(config.dataFolder);
  const undo: (() => Promise<unknown>)[] = [() => store.close()];
  try {
    const trust = await openTrust({ config, store, clock, logger });
    const { access, audit } = trust;
    undo.unshift(() => trust.close());
    const spool = await TensorSpool.open(join(config.dataFolder, 'tensors'));
    const evidence = openEvidence(trust, { config, store, spool, clock: steady, softwareVersion });
    const tracing = await openTracing({
      ...config.tracing,
      service: 'fedrot-coordinator',
      version: softwareVersion,
      instance: config.security.name,
    });
    undo.unshift(() => tracing.close());
    const webhooks = new WebhookSender(config.webhooks, { clock, logger, metrics });
    undo.unshift(() => webhooks.close());
    const workers = new AggregationWorkers();
    undo.unshift(async () => workers.close());
    const uploads = new UploadThread({
      onDeath: (cause) => {
        logger.error(
          { err: cause },
          'the thread that takes uploads has died; the next upload tries to start another',
        );
      },
    });
    undo.unshift(() => uploads.close());
    const coordinator = await Coordinator.open({
      config,
      store,
      spool,
      bundles: await BundleFolder.open(join(config.dataFolder, 'bundles')),
      metrics,
      clock: steady,
      logger,
      aggregate: options.aggregate ?? workers.aggregate,
      diagnose: options.diagnose ?? workers.diagnose,
      onExpected: () => {
        workers.warm();
      },
      evidence,
      onCorrupt: trust.onCorrupt,
      onStep: (...step) => {
        webhooks.step(...step);
      },
      tracing,
    });
    undo[undo.length - 1] = () => coordinator.close();
    let grpcPort = config.grpc.port;
    const identity = options.identity ?? (access.mode === 'plaintext' ? trustClaims : byCertificate);
    const tokens = await HttpTokens.open(config, store, clock);
    const adminOptions: Omit<AdminServiceOptions, 'identity'> = {
      coordinator,
      audit,
      signing: { roots: [access.authority.root], signer: access.signer, now: () => clock.now() },
      access: createAccessService({
        coordinator,
        access,
        httpTokens: tokens,
        audit,
        auditFile: accessFolders(config.dataFolder).audit,
        address: () => publicAddress(config, grpcPort),
        manifests: (runId) => evidence.read(runId),
      }),
    };
    const rpc = createRpcServer({
      silo: createSiloService({
        ...{ coordinator, identity, softwareVersion, audit, protocol: options.protocol },
        openThere: (place) => uploads.open(place),
      }),
      admin: createAdminService({ ...adminOptions, identity }),
      enrol: createEnrolService(access, audit),
      transport: {
        maxMessageBytes: config.limits.maxMessageBytes,
        maxConcurrentStreams: config.limits.maxConcurrentStreams,
        flowControlWindowBytes: config.limits.uploadWindowBytes,
      },
      ...trust.rpc,
      onCallEnd: (end) => {
        countCall(metrics, end);
        trust.onCallEnd(end);
      },
      onHandlerError: (thrown, { service, method, peer }) => {
        const { code, message } = asFedrotError(thrown);
        const ours = code === 'internal' || code.startsWith('storage_');
        logger[ours ? 'error' : 'info'](
          { err: ours ? thrown : undefined, code, service, method, peer },
          message,
        );
      },
    });
    undo.unshift(() => rpc.close(0));
    grpcPort = await rpc.listen(address(config.grpc));
    trust.attach(rpc);
    const gauges = new StateGauges(metrics, coordinator, clock);
    const mayAll = access.mode === 'plaintext' && isLoopback(config.http.host);
    const { host, port } = config.http;
    const http = await startHttp({
      host,
      port,
      logger,
      identify: identifyCaller({
        tokens,
        hosts: [config.http.host, ...config.security.hosts],
        // In plaintext on loopback whoever sits at the machine may do everything over gRPC too; elsewhere he may look.
        ...(!asksForToken(config) && { open: { name: 'local', role: mayAll ? 'admin' : 'viewer' } }),
      }),
      api: createApi({
        coordinator,
        handlers: createAdminService({ ...adminOptions, identity: byHttpToken }),
        access,
        tokens,
        audit,
        software: softwareVersion,
        grpcPort: () => grpcPort,
        onCallEnd: (end) => trust.onCallEnd(end),
        models: options.models,
      }),
      dashboard: createDashboard(),
      metrics: async () => ({
        body: await metrics.render(() => gauges.set()),
        contentType: metrics.contentType,
      }),
      notReady: () => reasonsNotReady(coordinator),
      extend: (app) => options.extendHttp?.(app, coordinator),
    });
    await audit.record({
      actor: `coordinator:${config.security.name}`,
      action: 'coordinator.start',
      object: softwareVersion || 'fedrot',
      outcome: 'ok',
      detail: access.mode,
    });
    coordinator.start();
    const retention = new Retention({ store, spool, audit, clock, logger, ...config.retention });
    retention.start();
    logger.info(
      { grpcPort, httpPort: http.port, security: access.mode, dataFolder: config.dataFolder },
      'coordinator is ready',
    );
    return running({
      workers,
      uploads,
      coordinator,
      rpc,
      http,
      grpcPort,
      config,
      logger,
      trust,
      retention,
      webhooks,
      tracing,
    });
  } catch (thrown) {
    for (const step of undo) await step();
    throw thrown;
  }
}

async function openStore(folder: string): Promise<Store> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((thrown: unknown) => {
    throw storageError(thrown, `creating the data folder ${folder}`);
  });
  return openSqliteStore(folder);
}

/** host:port, with IPv6 addresses in brackets. */
function address({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** How others reach the coordinator, by the first of the names that it was told. */
function publicAddress({ security }: CoordinatorConfig, port: number): string {
  const [host = ''] = security.hosts;
  return host === '' ? '' : address({ host, port });
}

async function reasonsNotReady(coordinator: Coordinator): Promise<readonly string[]> {
  if (coordinator.draining) return ['shutting down'];
  try {
    await coordinator.store.check();
    return [];
  } catch (thrown) {
    return [asFedrotError(thrown).message];
  }
}

function countCall(metrics: CoordinatorMetrics, { service, method, code }: CallEnd): void {
  metrics.calls.inc({ service, method, code });
  if (method === 'SubmitUpdate' && code !== 'ok') metrics.updates.inc({ outcome: code });
}
