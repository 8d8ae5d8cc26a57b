import type { Clock } from '../../clock.js';
import type { CoordinatorConfig } from '../config.js';
import { accessFolders } from '../access/open-access.js';
import type { Trust } from '../access/trust.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import type { Store } from '../store/store.js';
import { RoundEvidence } from './round-evidence.js';

/** The evidence of this coordinator, with its signer among those that verify it. */
export function openEvidence(
  { access, audit }: Pick<Trust, 'access' | 'audit'>,
  options: {
    readonly config: CoordinatorConfig;
    readonly store: Store;
    readonly spool: TensorSpool;
    readonly clock: Clock;
    readonly softwareVersion: string;
  },
): RoundEvidence {
  const { config, ...rest } = options;
  const evidence = new RoundEvidence({
    ...rest,
    folder: accessFolders(config.dataFolder).evidence,
    signer: access.signer,
    audit,
  });
  evidence.keepSigner();
  return evidence;
}
