import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import { isLoopback } from '../../pki/loopback.js';
import {
  createHttpToken,
  HTTP_PREFIX,
  httpTokenState,
  type HttpOperator,
  type HttpTokenRecord,
} from '../../pki/http-token.js';
import { readSecret, writeSecret } from '../../pki/secret-file.js';
import { hashToken, newToken, tokenMatches } from '../../pki/secret-token.js';
import type { CoordinatorConfig } from '../config.js';
import type { Store } from '../store/store.js';
import { accessFolders } from './open-access.js';

/** Whether the HTTP side asks for a token: unless it was told not to, or listens on loopback only. */
export function asksForToken({ http }: Pick<CoordinatorConfig, 'http'>): boolean {
  return http.auth === 'token' || (http.auth === 'auto' && !isLoopback(http.host));
}

/** The tokens of the HTTP side: two in files of the data folder, and those that were made for people. */
export class HttpTokens {
  readonly #files: readonly { readonly sha256: string; readonly operator: HttpOperator }[];
  readonly #records: Map<string, HttpTokenRecord>;
  readonly #store: Store;
  readonly #clock: Clock;

  private constructor(
    files: readonly { readonly sha256: string; readonly operator: HttpOperator }[],
    records: readonly HttpTokenRecord[],
    store: Store,
    clock: Clock,
  ) {
    this.#files = files;
    this.#records = new Map(records.map((record) => [record.id, record]));
    this.#store = store;
    this.#clock = clock;
  }

  /** Makes the two files where a token is asked for and they are missing. Throws config_invalid for one that is too short. */
  static async open(config: CoordinatorConfig, store: Store, clock: Clock): Promise<HttpTokens> {
    const { pki } = accessFolders(config.dataFolder);
    const files = asksForToken(config)
      ? [
          fileToken(config.http.tokenFile ?? join(pki, 'http-token'), { name: 'http-token', role: 'viewer' }),
          fileToken(join(pki, 'dashboard-token'), { name: 'dashboard-token', role: 'admin' }),
        ]
      : [];
    return new HttpTokens(files, await store.httpTokens(), store, clock);
  }

  /** Whose token it is; undefined for one that is unknown, expired or revoked. Every record is compared, in constant time each. */
  find(token: string): HttpOperator | undefined {
    const nowMs = this.#clock.now();
    let found: HttpOperator | undefined;
    for (const { sha256, operator } of this.#files) if (tokenMatches(token, sha256)) found = operator;
    for (const record of this.#records.values())
      if (tokenMatches(token, record.sha256) && httpTokenState(record, nowMs) === 'valid')
        found = { name: record.name, role: record.role };
    return found;
  }

  /** Throws option_invalid for a bad name, role or lifetime (1 minute to 365 days; default 90 days). */
  async create(request: {
    readonly name: string;
    readonly role: string;
    readonly createdBy: string;
    readonly lifetimeMs?: number | undefined;
  }): Promise<{ token: string; record: HttpTokenRecord }> {
    const { token, record } = createHttpToken({ ...request, nowMs: this.#clock.now() });
    await this.#save(record);
    return { token, record };
  }

  /** In order of creation. */
  list(): readonly HttpTokenRecord[] {
    return [...this.#records.values()].sort((x, y) => x.createdMs - y.createdMs);
  }

  /** Worthless from now on; undefined where there is none with this id. */
  async revoke(id: string): Promise<HttpTokenRecord | undefined> {
    const record = this.#records.get(id);
    if (record === undefined || record.revokedMs !== undefined) return record;
    const revoked = { ...record, revokedMs: this.#clock.now() };
    await this.#save(revoked);
    return revoked;
  }

  async #save(record: HttpTokenRecord): Promise<void> {
    await this.#store.saveHttpToken(record);
    this.#records.set(record.id, record);
  }
}

function fileToken(path: string, operator: HttpOperator): { sha256: string; operator: HttpOperator } {
  if (!existsSync(path)) writeSecret(path, `${newToken(HTTP_PREFIX)}\n`);
  const token = readSecret(path).trim();
  if (token.length < 32)
    throw new FedrotError('config_invalid', `${path}: a token of at least 32 characters is needed`);
  return { sha256: hashToken(token), operator };
}
