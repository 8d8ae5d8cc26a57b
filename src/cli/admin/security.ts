import { homedir } from 'node:os';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { readEnrolment } from '../../client/link/enrolment.js';
import { renewCredential } from '../../client/link/enrol.js';
import { partySecurity, type PartySecurity } from '../../client/link/party-security.js';
import { systemClock } from '../../clock.js';
import { hasCredential } from '../../pki/credential-files.js';
import { renewalState } from '../../pki/renewal.js';
import { createEnrolClient } from '../../rpc/client.js';
import type { CliContext } from '../context.js';
import { variable } from '../env.js';

const VARIABLE = 'FEDROT_CREDENTIAL';

/** Where an operator's credential lies unless told otherwise. */
const defaultOperatorFolder = (): string => join(homedir(), '.fedrot', 'operator');

export const credentialOption = (): Option =>
  new Option(
    '--credential <folder>',
    `folder of your key and certificate (default: ~/.fedrot/operator, env: ${VARIABLE})`,
  );

/** Folder of the credential that the command is to use; undefined where there is none and none was named. */
export function credentialOf(command: Command, { environment }: CliContext): string | undefined {
  const given = command.opts<{ credential?: string }>().credential ?? variable(environment, VARIABLE);
  if (given !== undefined) return given;
  return hasCredential(defaultOperatorFolder()) ? defaultOperatorFolder() : undefined;
}

/** The coordinator that the credential was made for. */
export function enrolledAddress(folder: string | undefined): string | undefined {
  return folder === undefined ? undefined : readEnrolment(folder)?.coordinator;
}

export function operatorSecurity(address: string, folder: string | undefined): PartySecurity {
  return partySecurity({
    coordinator: address,
    mode: 'auto',
    folder: folder ?? defaultOperatorFolder(),
    clock: systemClock,
  });
}

/** A credential that is due is renewed by the way: whoever works with it now and then never enrols again. */
export async function renewIfDue(address: string, folder: string, party: PartySecurity): Promise<void> {
  const { credential } = party;
  if (credential === undefined || renewalState(credential.facts, Date.now()) !== 'renew') return;
  const client = createEnrolClient({
    address,
    security: party.security,
    ...(party.proxy && { proxy: party.proxy }),
  });
  try {
    await renewCredential(client, credential, folder, Date.now());
  } catch {
    // The old one still works; the next command tries again.
  } finally {
    client.close();
  }
}
