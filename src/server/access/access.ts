import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import type { AuditLog } from '../../evidence/audit.js';
import type { Logger } from '../../log.js';
import type { Authority } from '../../pki/authority.js';
import { toPem, type CertificateFacts } from '../../pki/certificate.js';
import type { Credential } from '../../pki/credential.js';
import { createCrl } from '../../pki/crl.js';
import { enrol, renew } from '../../pki/enrol.js';
import { createEnrolmentToken, revokeToken, type TokenRecord } from '../../pki/enrolment-token.js';
import { fingerprint, formatFingerprint } from '../../pki/fingerprint.js';
import { describeIdentity, identityKey, type Identity } from '../../pki/identity.js';
import type { IssuedCertificate } from '../../pki/issue.js';
import { DAY_MS } from '../../pki/profile.js';
import { writeRevocations } from '../../pki/revocation-file.js';
import { readmit, revokeName, revokeSerial, type RevocationList } from '../../pki/revocation.js';
import { normaliseSerial } from '../../pki/serial.js';
import type { CoordinatorConfig } from '../config.js';
import type { Store } from '../store/store.js';
import type { SecurityMode } from './security-mode.js';

export interface AccessOptions {
  readonly config: CoordinatorConfig;
  readonly mode: SecurityMode;
  readonly authority: Authority;
  /** The coordinator's own, for TLS. */
  readonly credential: Credential;
  /** Signs evidence. */
  readonly signer: Credential;
  readonly revocations: RevocationList;
  readonly revocationFile: string;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Party = Pick<Identity, 'kind' | 'name'>;

/** How a party is turned out, once the list is durable; set by whoever has the connections. Returns how many were ended. */
export type Expel = (match: (caller: CertificateFacts) => boolean, reason: FedrotError) => number;

/** A CRL counts so long. */
const CRL_MS = 7 * DAY_MS;

/** Who may join, and who is out: tokens, certificates, revocations. Every change is durable and in the audit log when it resolves. */
export class Access {
  readonly mode: SecurityMode;
  readonly authority: Authority;
  readonly signer: Credential;
  readonly #options: AccessOptions;
  #revocations: RevocationList;
  /** One enrolment or revocation after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  expel: Expel = () => 0;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.mode = options.mode;
    this.authority = options.authority;
    this.signer = options.signer;
    this.#revocations = options.revocations;
  }

  get credential(): Credential {
    return this.#options.credential;
  }

  get revocations(): RevocationList {
    return this.#revocations;
  }

  get rootsPem(): string {
    return toPem([this.authority.root]);
  }

  /** Of the authority that everyone trusts: AB:CD:… */
  get fingerprint(): string {
    return formatFingerprint(fingerprint(this.authority.root.raw));
  }

  /** The coordinator's name: whom signed requests are for. */
  get coordinator(): string {
    return this.#options.config.security.name;
  }

  /** Throws precondition_failed in plaintext, option_invalid. */
  async createToken(
    identity: Identity,
    createdBy: string,
    lifetimeMs?: number,
  ): Promise<{ token: string; record: TokenRecord }> {
    if (this.mode === 'plaintext')
      throw new FedrotError(
        'precondition_failed',
        'this coordinator speaks plain text on loopback, where nobody enrols; start it with security.mode tls',
      );
    const { store, clock } = this.#options;
    const created = createEnrolmentToken({
      identity,
      createdBy,
      nowMs: clock.now(),
      ...(lifetimeMs !== undefined && { lifetimeMs }),
    });
    await store.saveToken(created.record);
    return created;
  }

  tokens(): Promise<readonly TokenRecord[]> {
    return this.#options.store.tokens();
  }

  /** Throws not_found, precondition_failed. */
  revokeToken(id: string): Promise<TokenRecord> {
    return this.#inTurn(async () => {
      const { store, clock } = this.#options;
      const record = (await store.tokens()).find((token) => token.id === id);
      if (!record) throw new FedrotError('not_found', `there is no token ${id.slice(0, 40)}`);
      const revoked = revokeToken(record, clock.now());
      await store.saveToken(revoked);
      return revoked;
    });
  }

  /** A certificate for a token. Throws option_invalid, unauthenticated. */
  enrol(request: {
    readonly token: string;
    readonly requestPem: string;
  }): Promise<{ issued: IssuedCertificate; token: TokenRecord }> {
    return this.#inTurn(async () => {
      const { store } = this.#options;
      const { issued, token } = await enrol(
        {
          ...this.#context(),
          tokens: await store.tokens(),
          store: async (record) => {
            if (!(await store.saveToken(record, 'used')))
              throw new FedrotError('unauthenticated', `token ${record.id} has just been used`);
          },
        },
        request,
      );
      await this.#issued(issued);
      return { issued, token };
    });
  }

  /** A new certificate for whoever has a good one. */
  async renew(caller: CertificateFacts, requestPem: string): Promise<IssuedCertificate> {
    const issued = await renew(this.#context(), caller, requestPem);
    await this.#issued(issued);
    return issued;
  }

  /** Puts a party, or one certificate, out at once. Resolves with how many connections were ended. */
  revoke(target: Party | { readonly serial: string }, by: string, reason: string): Promise<number> {
    return this.#inTurn(() => {
      const entry = { atMs: this.#options.clock.now(), by, reason: reason.slice(0, 500) };
      const isSerial = 'serial' in target;
      this.#store(
        isSerial
          ? revokeSerial(this.#revocations, target.serial, entry)
          : revokeName(this.#revocations, target, entry),
      );
      const matches = (caller: CertificateFacts): boolean =>
        isSerial
          ? caller.serial === normaliseSerial(target.serial)
          : identityKey(caller.identity) === identityKey(target);
      const who = isSerial ? `the certificate ${target.serial}` : `${target.kind} ${target.name}`;
      return Promise.resolve(
        this.expel(
          matches,
          new FedrotError('unauthenticated', `${who} was revoked; ask the consortium's operator`),
        ),
      );
    });
  }

  /** Lets a party enrol again. Resolves with how many of its certificates stay revoked. Throws not_found. */
  readmit(party: Party): Promise<number> {
    return this.#inTurn(async () => {
      const serials = await this.#options.store.serials(identityKey(party));
      this.#store(readmit(this.#revocations, party, serials));
      return serials.length;
    });
  }

  /** The revoked certificates as X.509 CRL, those of revoked parties included. */
  async crl(): Promise<string> {
    const { store, clock } = this.#options;
    const revoked = { ...this.#revocations.serials };
    for (const [party, entry] of Object.entries(this.#revocations.names))
      for (const serial of await store.serials(party)) revoked[serial] ??= entry;
    const nowMs = clock.now();
    return createCrl(this.authority, revoked, { nowMs, nextMs: nowMs + CRL_MS });
  }

  #context() {
    const { clock, config } = this.#options;
    return {
      authority: this.authority,
      revocations: this.#revocations,
      nowMs: clock.now(),
      validityDays: config.security.certificateDays,
    };
  }

  async #issued({ serial, identity, notAfterMs }: IssuedCertificate): Promise<void> {
    const { store, clock, logger } = this.#options;
    await store.saveCertificate({
      serial,
      party: identityKey(identity),
      issuedMs: clock.now(),
      notAfterMs,
    });
    logger.info(
      { serial, party: identityKey(identity) },
      `issued a certificate to ${describeIdentity(identity)}`,
    );
  }

  /** Durable before it counts. */
  #store(list: RevocationList): void {
    writeRevocations(this.#options.revocationFile, list);
    this.#revocations = list;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}
