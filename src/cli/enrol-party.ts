import { resolve } from 'node:path';
import { enrol, type Enrolled } from '../client/link/enrol.js';
import { writeEnrolment } from '../client/link/enrolment.js';
import { credentialFolder, readRoots } from '../client/link/party-security.js';
import { systemClock } from '../clock.js';
import { parseProxy } from '../rpc/channel-options.js';

export interface EnrolPartyOptions {
  readonly coordinator: string;
  readonly token: string;
  readonly fingerprint: string;
  /** A silo's folder. */
  readonly siloFolder: string;
  /** Wins over the one in the silo's folder. */
  readonly credential?: string;
  readonly roots?: string;
  readonly proxy?: string;
  readonly signed?: boolean;
}

/** Enrols and keeps beside the credential what the daemon needs to know: coordinator, name, way. */
export async function enrolParty(
  options: EnrolPartyOptions,
): Promise<Enrolled & { readonly folder: string }> {
  const { coordinator, token, fingerprint, proxy, signed } = options;
  const folder = credentialFolder(options.siloFolder, options.credential);
  // Kept for the daemon, which may start elsewhere.
  const roots =
    options.roots === undefined || options.roots === 'system' ? options.roots : resolve(options.roots);
  const trusted = readRoots(roots);
  const enrolled = await enrol({
    address: coordinator,
    token,
    fingerprint,
    folder,
    ...(trusted !== undefined && { roots: trusted }),
    ...(proxy !== undefined && { proxy: parseProxy(proxy) }),
    clock: systemClock,
  });
  const { kind, name } = enrolled.facts.identity;
  writeEnrolment(folder, {
    format: 'fedrot-enrolment/1',
    coordinator,
    audience: enrolled.audience,
    kind,
    name,
    mode: signed === true ? 'signed' : 'tls',
    ...(roots !== undefined && { roots }),
    ...(proxy !== undefined && { proxy }),
  });
  return { ...enrolled, folder };
}
