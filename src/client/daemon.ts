import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { systemClock, type Clock } from '../clock.js';
import { asFedrotError, FedrotError } from '../errors.js';
import { openJournal } from '../evidence/journal.js';
import { silentLogger, type Logger } from '../log.js';
import { describeIdentity } from '../pki/identity.js';
import { openTracing } from '../trace/open-tracing.js';
import { packageVersion } from '../version.js';
import type { ClientSecurity } from '../rpc/credentials.js';
import type { RetryPolicy } from '../rpc/retry.js';
import { openSession } from '../train/session.js';
import { withStorageErrors } from '../storage-error.js';
import { Consents } from './accept/consents.js';
import type { ClientConfig } from './config.js';
import { loadDataSet, type DataSet } from './data/data-set.js';
import { labelsOf } from './data/labels.js';
import { Connection } from './link/connection.js';
import { keepBeating } from './link/heartbeat.js';
import { keepRenewed } from './link/keep-renewed.js';
import { credentialFolder, partySecurity, type PartySecurity } from './link/party-security.js';
import { serveMetrics } from './metrics-server.js';
import { SiloMetrics } from './metrics.js';
import { watchAssignments } from './link/watch.js';
import { MergedBases } from './merged-bases.js';
import { OwnFactors } from './own-factors.js';
import { performTask } from './perform-task.js';
import { ResourceLimits } from './resource-limits.js';
import { siloFolders } from './silo-folders.js';
import { Spool } from './spool.js';
import { TaskBoard } from './task-board.js';
import { LocalTrainer, type Trainer } from './training/local-trainer.js';
import { TrainingSpool } from './training-spool.js';
import type { Workshop } from './workshop.js';

export interface ClientOptions {
  /** Default silent. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Default: by configuration and enrolment. */
  readonly security?: ClientSecurity;
  /** Default: ONNX Runtime in a worker thread. */
  readonly trainer?: Trainer;
  /** Waits between attempts to reach the coordinator. */
  readonly retry?: RetryPolicy;
  /** Uniform in [0, 1): jitter of those waits. */
  readonly random?: () => number;
}

export interface RunningClient {
  /** Trainer or evaluator: how many examples it works with. */
  readonly examples: number;
  /** Where /metrics is served; undefined where it is not. */
  readonly metricsPort: number | undefined;
  /** Settles only by rejecting: where the coordinator refuses this silo for good. Close the client then. */
  readonly failed: Promise<never>;
  /**
   * Drains: no further task begins; one under way may end within `shutdownGraceMs`, after that it is abandoned and the coordinator
   * told, so that the round goes on. Idempotent.
   */
  close(): Promise<void>;
}

/** How long the coordinator is tried when the silo says good-bye; ms. */
const FAREWELL_MS = 2000;

/** Labels that RegisterRequest takes. */
const MAX_LABELS = 4096;

const ROLES = { trainer: 'SILO_ROLE_TRAINER', evaluator: 'SILO_ROLE_EVALUATOR' } as const;

function identity(config: ClientConfig, data: DataSet) {
  const examples = data.train?.examples ?? data.test?.examples ?? [];
  const labels = config.data.shareLabels ? labelsOf(examples) : [];
  return {
    silo: config.name,
    role: ROLES[config.role],
    softwareVersion: packageVersion(),
    examples: examples.length,
    labels: labels.length <= MAX_LABELS ? labels : [],
  };
}

/**
 * Starts a silo's daemon: reads its data, then serves the coordinator until closed; a coordinator that is away is waited for. Resolves
 * when the data is read. Throws data_invalid, data_missing_column, data_empty.
 */
export async function startClient(config: ClientConfig, options: ClientOptions = {}): Promise<RunningClient> {
  const { logger = silentLogger, clock = systemClock, random = Math.random } = options;
  const data = await loadDataSet(config);
  const self = identity(config, data);
  logger.info({ role: config.role, examples: self.examples }, 'data read');
  const credentials = credentialFolder(config.folder, config.security.credential);
  const party = siloSecurity(config, credentials, clock);
  const metrics = new SiloMetrics();
  const { silo, softwareVersion, examples } = self;
  metrics.introduce({ silo, role: config.role, version: softwareVersion, examples });
  const tracing = await openTracing({
    ...config.tracing,
    service: 'fedrot-client',
    version: softwareVersion,
    instance: silo,
  });
  const { host, port } = config.metrics;
  const served = port === undefined ? undefined : await serveMetrics(metrics, { host, port });
  const folders = siloFolders(config.folder);
  const { journal, torn } = await openJournal(folders.journal, clock);
  if (torn) logger.warn(torn, 'the end of the journal was torn by a crash; the rest is whole');
  const connection = new Connection({
    address: config.coordinator,
    identity: self,
    clock,
    random,
    logger,
    journal,
    security: options.security ?? party.security,
    ...(party.proxy && { proxy: party.proxy }),
    ...(options.retry === undefined ? {} : { retry: options.retry }),
  });
  const threads = config.threads ?? availableParallelism();
  const trainer =
    options.trainer ??
    new LocalTrainer({
      open: openSession,
      clock,
      threads,
      spinning: config.spinning,
      prefixCache: { ...config.training, folder: await emptyFolder(folders.activations) },
    });
  const limits = new ResourceLimits(config.limits, config.folder, clock);
  const workshop: Workshop = {
    connection,
    data,
    trainer,
    spool: new Spool(folders.updates, clock),
    training: new TrainingSpool({
      folder: folders.training,
      clock,
      intervalMs: config.training.checkpointMs,
      threads,
    }),
    adapterFolder: folders.adapters,
    bundleFolder: folders.bundles,
    scrambleBasis: config.scrambleBasis,
    journal,
    rank: config.rank,
    adapter: config.adapter,
    own: new OwnFactors(folders.own),
    bases: new MergedBases({
      folder: folders.bases,
      clock,
      logger,
      requireDisk: (bytes) => limits.requireDisk(bytes),
    }),
    limits,
    accept: config.accept,
    consents: new Consents(folders.consents),
    ...(party.credential && {
      signers: { roots: party.credential.roots, names: config.accept.signers, now: () => clock.now() },
    }),
    metrics,
    tracing,
    clock,
    logger,
  };
  const client = serve(workshop, self.examples, config.shutdownGraceMs, (signal, onRenewed) =>
    keepRenewed(
      {
        address: config.coordinator,
        party,
        folder: credentials,
        clock,
        logger,
        onRenewed: (credential) => {
          connection.calls.useSecurity(party.withCredential(credential));
          onRenewed();
        },
      },
      signal,
    ),
  );
  return {
    ...client,
    metricsPort: served?.port,
    close: async () => {
      await client.close();
      await tracing.close();
      await served?.close();
    },
  };
}

/** What an earlier daemon that was killed left in it is of no use. */
async function emptyFolder(folder: string): Promise<string> {
  await withStorageErrors(folder, async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  });
  return folder;
}

/** Throws config_invalid where the credential is of somebody else. */
function siloSecurity(config: ClientConfig, folder: string, clock: Clock): PartySecurity {
  const party = partySecurity({ ...config.security, coordinator: config.coordinator, folder, clock });
  const identity = party.credential?.facts.identity;
  if (identity !== undefined && (identity.kind !== 'silo' || identity.name !== config.name))
    throw new FedrotError(
      'config_invalid',
      `${folder}: the credential is of ${describeIdentity(identity)}, and this silo is called ${config.name}`,
    );
  return party;
}

function serve(
  workshop: Workshop,
  examples: number,
  graceMs: number,
  renew: (signal: AbortSignal, onRenewed: () => void) => Promise<void>,
): Omit<RunningClient, 'metricsPort'> {
  const { connection, trainer, clock, logger, metrics } = workshop;
  const board = new TaskBoard(clock);
  const stop = new AbortController();
  /** Ends the attempts to report; later than everything else. */
  const silence = new AbortController();
  // Timers and sockets of the parts do not keep the process alive while the coordinator is away.
  const alive = setInterval(() => undefined, 60_000);

  let restartWatch = (): void => undefined;
  const watching = (async () => {
    for await (const assignment of watchAssignments(connection, stop.signal, (restart) => {
      restartWatch = restart;
    }))
      board.offer(assignment);
  })();
  const beating = keepBeating(
    connection,
    {
      clock,
      logger,
      onForgotten: () => {
        restartWatch();
      },
      onBeat: (answered, offsetMs) => {
        metrics.heartbeat(answered, offsetMs);
      },
    },
    stop.signal,
  );
  // The stream of assignments moves to the connection with the new certificate.
  const renewing = renew(stop.signal, () => {
    restartWatch();
  });
  const working = board.run((task, signal) => performTask(task, workshop, signal, silence.signal));

  const failed = new Promise<never>((_resolve, reject) => {
    workshop.journal.broken.catch((error: unknown) => {
      if (stop.signal.aborted) return; // it was closed
      const full = asFedrotError(error);
      logger.error({ err: full }, 'the journal cannot be written: nothing may leave this silo');
      board.abandon({ reason: 'the journal cannot be written', tell: false });
      silence.abort();
      reject(full);
    });
    watching.catch((error: unknown) => {
      const refused: FedrotError = asFedrotError(error);
      logger.error({ err: refused }, 'the coordinator refuses this silo');
      reject(refused);
    });
  });
  failed.catch(() => undefined); // whoever waits for it hears of it

  const close = async (): Promise<void> => {
    board.close();
    const cancelGrace = clock.after(graceMs, () => {
      board.abandon({ reason: 'the silo is shutting down', tell: true });
      clock.after(FAREWELL_MS, () => {
        silence.abort();
      });
    });
    await working;
    cancelGrace();
    stop.abort();
    silence.abort();
    connection.close();
    await Promise.allSettled([watching, beating, renewing]);
    await trainer.close();
    await workshop.journal.close();
    clearInterval(alive);
  };
  let closing: Promise<void> | undefined;
  return { examples, failed, close: () => (closing ??= close()) };
}
