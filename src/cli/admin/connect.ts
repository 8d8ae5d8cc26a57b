import { Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import { createAdminClient, type RpcClient } from '../../rpc/client.js';
import type { AdminCalls } from '../../rpc/services.js';
import type { CliContext } from '../context.js';
import { variable } from '../env.js';

export const DEFAULT_COORDINATOR = '127.0.0.1:9470';
const VARIABLE = 'FEDROT_COORDINATOR';

/** Where the coordinator is, for every command that asks it something. */
export const coordinatorOption = (): Option =>
  new Option(
    '--coordinator <host:port>',
    `the coordinator (default: ${DEFAULT_COORDINATOR}, env: ${VARIABLE})`,
  );

export type AdminClient = RpcClient<AdminCalls>;

/** Reads --coordinator of the command. Throws option_invalid for what is no host:port. */
export function coordinatorAddress(command: Command, { environment }: CliContext): string {
  const given = command.opts<{ coordinator?: string }>().coordinator;
  const address = given ?? variable(environment, VARIABLE) ?? DEFAULT_COORDINATOR;
  if (!/^\S+:\d{1,5}$/.test(address))
    throw new FedrotError(
      'option_invalid',
      `${given === undefined ? VARIABLE : '--coordinator'}: ${JSON.stringify(address)} is not host:port`,
    );
  return address;
}

/** A call that failed for want of a coordinator says which one was asked for. */
function withAddress(thrown: unknown, address: string): unknown {
  if (!(thrown instanceof FedrotError) || thrown.code !== 'unavailable') return thrown;
  return new FedrotError(
    'unavailable',
    `no coordinator answers at ${address}: is it running, and is --coordinator right? (${thrown.message})`,
    { cause: thrown },
  );
}

/** Does something with a client of the AdminService and closes it. */
export async function withAdmin<T>(address: string, use: (admin: AdminClient) => Promise<T>): Promise<T> {
  const admin = createAdminClient({ address });
  try {
    return await use(admin);
  } catch (thrown) {
    throw withAddress(thrown, address);
  } finally {
    admin.close();
  }
}
