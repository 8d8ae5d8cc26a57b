import type { Clock } from '../../clock.js';
import type { Logger } from '../../log.js';
import type { CertificateFacts } from '../../pki/certificate.js';
import type { Credential } from '../../pki/credential.js';
import { renewAtMs } from '../../pki/renewal.js';
import { createEnrolClient } from '../../rpc/client.js';
import { fromServiceError } from '../../rpc/status.js';
import { sleep } from '../sleep.js';
import { renewCredential } from './enrol.js';
import type { PartySecurity } from './party-security.js';

/** Not more often, however short the certificates live; ms. */
const MIN_WAIT_MS = 1000;

/** setTimeout takes no more (src/clock.ts). */
const MAX_WAIT_MS = 2 ** 31 - 1;

export interface RenewalOptions {
  readonly address: string;
  readonly party: PartySecurity;
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A renewed credential is stored: use it from now on. */
  readonly onRenewed: (credential: Credential) => void;
}

/** When it is due; where that is over already, after a third of what is left. */
function waitMs(life: CertificateFacts, nowMs: number): number {
  const due = renewAtMs(life) - nowMs;
  const left = (life.notAfterMs - nowMs) / 3;
  return Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, due > 0 ? due : left));
}

/** Renews the credential before it expires, for as long as the signal lets it; failures are tried again while there is time. */
export async function keepRenewed(options: RenewalOptions, signal: AbortSignal): Promise<void> {
  const { address, party, folder, clock, logger, onRenewed } = options;
  let { credential } = party;
  while (credential !== undefined && !signal.aborted) {
    try {
      await sleep(clock, waitMs(credential.facts, clock.now()), signal);
    } catch {
      return;
    }
    if (clock.now() < renewAtMs(credential.facts)) continue;
    const client = createEnrolClient({
      address,
      security: party.withCredential(credential),
      ...(party.proxy && { proxy: party.proxy }),
    });
    try {
      credential = await renewCredential(client, credential, folder, clock.now());
      const { serial, notAfterMs } = credential.facts;
      logger.info({ serial, until: new Date(notAfterMs).toISOString() }, 'renewed the certificate');
      onRenewed(credential);
    } catch (thrown) {
      const { code, message } = fromServiceError(thrown);
      logger.warn({ code, reason: message }, 'the certificate could not be renewed; trying again');
    } finally {
      client.close();
    }
  }
}
