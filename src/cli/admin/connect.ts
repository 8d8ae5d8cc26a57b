import { Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import { createAdminClient, type RpcClient } from '../../rpc/client.js';
import type { AdminCalls } from '../../rpc/services.js';
import type { CliContext } from '../context.js';
import { variable } from '../env.js';
import { credentialOf, enrolledAddress, operatorSecurity, renewIfDue } from './security.js';

const DEFAULT_COORDINATOR = '127.0.0.1:9470';
const VARIABLE = 'FEDROT_COORDINATOR';

/** Where the coordinator is, for every command that asks it something. */
export const coordinatorOption = (): Option =>
  new Option(
    '--coordinator <host:port>',
    `the coordinator (default: ${DEFAULT_COORDINATOR}, env: ${VARIABLE})`,
  );

export type AdminClient = RpcClient<AdminCalls>;

/** Whom to ask, and with which credential. */
export interface AdminTarget {
  /** host:port */
  readonly address: string;
  /** Folder of the credential; undefined where there is none: then only plain text on loopback is left. */
  readonly credential: string | undefined;
}

/** Reads --coordinator and --credential of the command. Throws option_invalid for what is no host:port. */
export function coordinatorAddress(command: Command, context: CliContext): AdminTarget {
  const given = command.opts<{ coordinator?: string }>().coordinator;
  const credential = credentialOf(command, context);
  const address =
    given ?? variable(context.environment, VARIABLE) ?? enrolledAddress(credential) ?? DEFAULT_COORDINATOR;
  if (!/^\S+:\d{1,5}$/.test(address))
    throw new FedrotError(
      'option_invalid',
      `${given === undefined ? VARIABLE : '--coordinator'}: ${JSON.stringify(address)} is not host:port`,
    );
  return { address, credential };
}

/** A call that failed for want of a coordinator says which one was asked for. */
function withAddress(thrown: unknown, { address, credential }: AdminTarget): unknown {
  if (!(thrown instanceof FedrotError) || thrown.code !== 'unavailable') return thrown;
  const tls = credential === undefined ? '; if it speaks TLS, name your credential with --credential' : '';
  return new FedrotError(
    'unavailable',
    `no coordinator answers at ${address}: is it running, and is --coordinator right${tls}? (${thrown.message})`,
    { cause: thrown },
  );
}

/** Does something with a client of the AdminService and closes it. An address alone is asked in plain text. */
export async function withAdmin<T>(
  given: AdminTarget | string,
  use: (admin: AdminClient) => Promise<T>,
): Promise<T> {
  const target = typeof given === 'string' ? { address: given, credential: undefined } : given;
  const { address, credential } = target;
  const party = typeof given === 'string' ? undefined : operatorSecurity(address, credential);
  const admin = createAdminClient({
    address,
    ...(party && { security: party.security }),
    ...(party?.proxy && { proxy: party.proxy }),
  });
  try {
    const result = await use(admin);
    if (party && credential !== undefined) await renewIfDue(address, credential, party);
    return result;
  } catch (thrown) {
    throw withAddress(thrown, target);
  } finally {
    admin.close();
  }
}
