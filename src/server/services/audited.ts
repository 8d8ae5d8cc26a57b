import { asFedrotError } from '../../errors.js';
import type { AuditAction, AuditLog } from '../../evidence/audit.js';
import { identityKey } from '../../pki/identity.js';
import type { CallContext } from '../../rpc/call-context.js';
import { wellFormed } from '../access/refusals.js';

/** Who acts, for the audit log; on loopback in plaintext that is whoever sits at the machine. */
export function actorOf({ caller, operator }: CallContext): string {
  if (operator !== undefined) return `operator:${operator.name}`;
  return caller === undefined ? 'operator:local' : identityKey(caller.identity);
}

/** Does an administrative act and writes it down, done or failed, before the answer leaves. `object`: on what it was done. */
export async function audited<T>(
  audit: AuditLog | undefined,
  context: CallContext,
  action: AuditAction,
  work: () => Promise<T>,
  describe: (result: T | undefined) => { readonly object: string; readonly detail?: string },
): Promise<T> {
  const record = async (result: T | undefined, outcome: 'ok' | 'failed', code?: string): Promise<void> => {
    const { object, detail } = describe(result);
    await audit?.record({
      actor: actorOf(context),
      action,
      object: wellFormed(object).slice(0, 200),
      outcome,
      ...(code !== undefined && { code }),
      peer: context.peer.slice(0, 200),
      ...(context.caller && { certificate: context.caller.serial }),
      ...(detail !== undefined && { detail: wellFormed(detail).slice(0, 2000) }),
    });
  };
  let result: T;
  try {
    result = await work();
  } catch (thrown) {
    await record(undefined, 'failed', asFedrotError(thrown).code);
    throw thrown;
  }
  await record(result, 'ok');
  return result;
}
