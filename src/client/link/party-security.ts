import { join } from 'node:path';
import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import { parseCertificates } from '../../pki/certificate.js';
import type { Credential } from '../../pki/credential.js';
import { hasCredential, readCredential } from '../../pki/credential-files.js';
import { isLoopback } from '../../pki/loopback.js';
import { readPublicFile } from '../../pki/secret-file.js';
import type { TlsVersion } from '../../pki/tls-options.js';
import { splitAddress } from '../../rpc/address.js';
import { parseProxy, type ConnectProxy } from '../../rpc/channel-options.js';
import { PLAINTEXT, type ClientSecurity } from '../../rpc/credentials.js';
import { readEnrolment, type Enrolment } from './enrolment.js';

/** How a silo or an operator reaches the coordinator, by configuration and enrolment. */
export interface PartySecurity {
  readonly security: ClientSecurity;
  readonly proxy?: ConnectProxy;
  /** Undefined in plaintext. */
  readonly credential?: Credential;
  /** The same with a renewed credential. */
  readonly withCredential: (credential: Credential) => ClientSecurity;
}

export interface PartySettings {
  /** host:port */
  readonly coordinator: string;
  readonly mode: 'auto' | 'plaintext' | 'tls' | 'signed';
  /** Folder of the credential. */
  readonly folder: string;
  readonly roots?: string | undefined;
  readonly proxy?: string | undefined;
  readonly minTlsVersion?: TlsVersion;
  readonly clock: Clock;
}

/** Default place of a silo's credential. */
export const credentialFolder = (folder: string, given: string | undefined): string =>
  given ?? join(folder, 'credential');

function chooseMode(
  settings: PartySettings,
  enrolment: Enrolment | undefined,
): 'plaintext' | 'tls' | 'signed' {
  const { mode, folder, coordinator } = settings;
  const loopback = isLoopback(splitAddress(coordinator).host);
  if (mode === 'plaintext' && !loopback)
    throw new FedrotError(
      'config_invalid',
      `plain text is for loopback only, and the coordinator is ${coordinator}`,
    );
  if (mode !== 'auto') return mode;
  if (hasCredential(folder)) return enrolment?.mode ?? 'tls';
  if (loopback) return 'plaintext';
  throw new FedrotError(
    'precondition_failed',
    `${folder}: there is no credential for ${coordinator}; ask the consortium's operator for a token and run \`fedrot enrol\``,
  );
}

/** PEM file of authorities, or those that Node knows. */
export function readRoots(roots: string | undefined): readonly X509Certificate[] | 'system' | undefined {
  if (roots === undefined || roots === 'system') return roots;
  return parseCertificates(readPublicFile(roots), roots);
}

/** Throws precondition_failed where one has to enrol first, and as readCredential does. */
export function partySecurity(settings: PartySettings): PartySecurity {
  const enrolment = hasCredential(settings.folder) ? readEnrolment(settings.folder) : undefined;
  const mode = chooseMode(settings, enrolment);
  const proxyText = settings.proxy ?? enrolment?.proxy;
  const proxy = proxyText === undefined ? {} : { proxy: parseProxy(proxyText) };
  if (mode === 'plaintext') return { security: PLAINTEXT, withCredential: () => PLAINTEXT, ...proxy };
  const credential = readCredential(settings.folder);
  const further = readRoots(settings.roots ?? enrolment?.roots);
  const { minTlsVersion: minVersion } = settings;
  const withCredential = (own: Credential): ClientSecurity => ({
    kind: 'tls',
    ...(further !== 'system' && { roots: [...own.roots, ...(further ?? [])] }),
    ...(minVersion && { minVersion }),
    ...(mode === 'signed'
      ? {
          sign: {
            credential: own,
            audience: enrolment?.audience ?? 'main',
            now: () => settings.clock.now(),
          },
        }
      : { credential: own }),
  });
  return { security: withCredential(credential), credential, withCredential, ...proxy };
}
