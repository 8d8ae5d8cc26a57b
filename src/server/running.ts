import type { Logger } from '../log.js';
import type { RpcServer } from '../rpc/server.js';
import type { Tracing } from '../trace/tracing.js';
import type { Access } from './access/access.js';
import type { Trust } from './access/trust.js';
import type { AggregationWorkers } from './aggregation/aggregation-workers.js';
import type { CoordinatorConfig } from './config.js';
import type { Coordinator } from './coordinator/coordinator.js';
import type { Retention } from './evidence/retention.js';
import type { HttpServer } from './http.js';
import type { UploadThread } from './transfer/upload-thread.js';
import type { WebhookSender } from './webhooks/webhook-sender.js';

export interface RunningCoordinator {
  /** The ports that were really taken. */
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Who may join; how `security.mode` came out. */
  readonly access: Access;
  /** Drains: no new calls, assignments or rounds; uploads under way get config.shutdownGraceMs; then everything is closed. Idempotent. */
  close(): Promise<void>;
}

/** What was started, and in which order it is let go of. */
interface Parts {
  readonly config: CoordinatorConfig;
  readonly logger: Logger;
  readonly grpcPort: number;
  readonly coordinator: Coordinator;
  readonly workers: AggregationWorkers;
  readonly uploads: UploadThread;
  readonly rpc: RpcServer;
  readonly http: HttpServer;
  readonly trust: Trust;
  readonly retention: Retention;
  readonly webhooks: WebhookSender;
  readonly tracing: Tracing;
}

/** A coordinator whose parts are all at work. */
export function running(parts: Parts): RunningCoordinator {
  const { workers, uploads, coordinator, rpc, http, grpcPort, config, logger } = parts;
  const { trust, retention, webhooks, tracing } = parts;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    logger.info('coordinator is draining');
    coordinator.drain();
    await rpc.close(config.shutdownGraceMs);
    await retention.close();
    await trust.stopped();
    await coordinator.close();
    workers.close();
    await uploads.close();
    await webhooks.close();
    await tracing.close();
    await http.close();
    await trust.close();
    logger.info('coordinator has stopped');
  };
  return { grpcPort, httpPort: http.port, access: trust.access, close: () => (closing ??= close()) };
}
