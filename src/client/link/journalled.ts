import { type FedrotError } from '../../errors.js';
import { canonicalJson } from '../../evidence/canonical-json.js';
import type { Journal, JournalRecord } from '../../evidence/journal.js';
import { RETRY_OF_CODE } from '../../rpc/retry.js';
import { fromServiceError } from '../../rpc/status.js';
import { sha256Hex } from '../../sha256.js';

/** What is sent, before it is. */
export type Outgoing = Pick<JournalRecord, 'kind' | 'coordinator' | 'run' | 'round' | 'sha256' | 'bytes'>;

/** What the journal says of messages: the hash of their values, one line of canonical JSON each. */
export function outgoing(
  kind: Outgoing['kind'],
  coordinator: string,
  place: { readonly run?: string; readonly round?: number },
  values: readonly object[],
): Outgoing {
  const text = values.map((each) => canonicalJson(JSON.parse(JSON.stringify(each)))).join('\n');
  return { kind, coordinator, ...place, sha256: sha256Hex(text), bytes: Buffer.byteLength(text) };
}

/** Sends something with an entry in the journal before the first byte and one with how it ended. */
export async function journalled<T>(journal: Journal, what: Outgoing, send: () => Promise<T>): Promise<T> {
  await journal.record({ ...what, event: 'begin' });
  try {
    const answer = await send();
    await journal.record({ ...what, event: 'accepted' });
    return answer;
  } catch (thrown) {
    const error: FedrotError = fromServiceError(thrown);
    const event = RETRY_OF_CODE[error.code] === 'never' ? 'refused' : 'broken';
    await journal.record({ ...what, event, code: error.code });
    throw error;
  }
}
