import type { Clock } from '../clock.js';
import type { Journal } from '../evidence/journal.js';
import type { Logger } from '../log.js';
import type { Tracing } from '../trace/tracing.js';
import type { AcceptRules } from './accept/accept-config.js';
import type { Consents } from './accept/consents.js';
import type { DataSet } from './data/data-set.js';
import type { TrustedSigners } from './link/bundle-signature.js';
import type { Connection } from './link/connection.js';
import type { MergedBases } from './merged-bases.js';
import type { SiloMetrics } from './metrics.js';
import type { OwnFactors } from './own-factors.js';
import type { ResourceLimits } from './resource-limits.js';
import type { Spool } from './spool.js';
import type { Trainer } from './training/local-trainer.js';
import type { TrainingSpool } from './training-spool.js';

/** What a silo works with. */
export interface Workshop {
  readonly connection: Connection;
  readonly data: DataSet;
  readonly trainer: Trainer;
  readonly spool: Spool;
  /** Training under way. */
  readonly training: TrainingSpool;
  readonly adapterFolder: string;
  readonly bundleFolder: string;
  readonly scrambleBasis: boolean;
  /** LoRA rank that the silo trains with where the run's is larger and the method allows it. */
  readonly rank?: number | undefined;
  /** Folder of an adapter of the silo's own. */
  readonly adapter?: string | undefined;
  /** Factors that stay with the silo. */
  readonly own: OwnFactors;
  /** Bases with what versions have merged. */
  readonly bases: MergedBases;
  /** Everything that leaves the silo. */
  readonly journal: Journal;
  readonly limits: ResourceLimits;
  /** What is done without asking, and what the administrator has agreed to beyond. */
  readonly accept: AcceptRules;
  readonly consents: Consents;
  /** Whose bundles are loaded; undefined where there is no authority to vouch for signers. */
  readonly signers?: TrustedSigners | undefined;
  readonly metrics: SiloMetrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly logger: Logger;
}
