import type { Kysely, Transaction } from 'kysely';
import type { TokenRecord } from '../../pki/enrolment-token.js';
import type { HttpTokenRecord } from '../../pki/http-token.js';
import type { IssuedRecord } from './store.js';
import type { Tables } from './tables.js';

/** Tokens and issued certificates in the database. */

/** Writes the token, unless the stored one is in that state already: so a token is used once, whoever asks at the same time. */
export async function writeToken(
  tx: Transaction<Tables>,
  token: TokenRecord,
  unless: 'used' | undefined,
): Promise<boolean> {
  const used = token.used === undefined ? 0 : 1;
  const changes = { used, token_json: JSON.stringify(token) };
  const known = await tx.selectFrom('tokens').select('used').where('id', '=', token.id).executeTakeFirst();
  if (known === undefined) {
    await tx
      .insertInto('tokens')
      .values({ id: token.id, created_ms: token.createdMs, ...changes })
      .execute();
    return true;
  }
  if (unless === 'used' && known.used !== 0) return false;
  await tx.updateTable('tokens').set(changes).where('id', '=', token.id).execute();
  return true;
}

export async function readTokens(db: Kysely<Tables>): Promise<readonly TokenRecord[]> {
  const rows = await db
    .selectFrom('tokens')
    .select('token_json')
    .orderBy('created_ms')
    .orderBy('id')
    .execute();
  return rows.map((row) => JSON.parse(row.token_json) as TokenRecord);
}

export async function writeCertificate(tx: Transaction<Tables>, issued: IssuedRecord): Promise<void> {
  const { serial, party, issuedMs, notAfterMs } = issued;
  await tx
    .insertInto('certificates')
    .values({ serial, party, issued_ms: issuedMs, not_after_ms: notAfterMs })
    .execute();
}

export async function readSerials(db: Kysely<Tables>, party: string): Promise<readonly string[]> {
  const rows = await db.selectFrom('certificates').select('serial').where('party', '=', party).execute();
  return rows.map((row) => row.serial);
}

export async function writeHttpToken(tx: Transaction<Tables>, token: HttpTokenRecord): Promise<void> {
  const changes = { token_json: JSON.stringify(token) };
  await tx
    .insertInto('http_tokens')
    .values({ id: token.id, created_ms: token.createdMs, ...changes })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changes))
    .execute();
}

export async function readHttpTokens(db: Kysely<Tables>): Promise<readonly HttpTokenRecord[]> {
  const rows = await db
    .selectFrom('http_tokens')
    .select('token_json')
    .orderBy('created_ms')
    .orderBy('id')
    .execute();
  return rows.map((row) => JSON.parse(row.token_json) as HttpTokenRecord);
}
