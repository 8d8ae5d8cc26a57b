import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { enrol } from '../../../src/client/link/enrol.js';
import { systemClock } from '../../../src/clock.js';
import type { Credential } from '../../../src/pki/credential.js';
import { readCredential } from '../../../src/pki/credential-files.js';
import type { Identity } from '../../../src/pki/identity.js';
import { issueCertificate } from '../../../src/pki/issue.js';
import { generateKey } from '../../../src/pki/keys.js';
import type { Role } from '../../../src/pki/roles.js';
import { createAdminClient, createSiloClient, type RpcClient } from '../../../src/rpc/client.js';
import type { ClientSecurity } from '../../../src/rpc/credentials.js';
import type { AdminCalls, SiloCalls } from '../../../src/rpc/services.js';
import { parseCoordinatorConfig, type CoordinatorConfigInput } from '../../../src/server/config.js';
import type { RunningCoordinator } from '../../../src/server/running.js';
import { startCoordinator, type StartOptions } from '../../../src/server/start.js';

export interface AuditEntry {
  readonly seq: number;
  readonly body: Readonly<Record<string, string | undefined>>;
}

/** A coordinator with real TLS on port 0, and everything to join it. Ends with the test. */
export class Consortium {
  readonly address: string;

  private constructor(
    readonly folder: string,
    readonly running: RunningCoordinator,
  ) {
    this.address = `localhost:${running.grpcPort}`;
  }

  static async start(
    config: Partial<CoordinatorConfigInput> = {},
    options: StartOptions = {},
    folder = temporary(),
  ): Promise<Consortium> {
    const running = await startCoordinator(
      parseCoordinatorConfig({
        dataFolder: join(folder, 'coordinator'),
        grpc: { port: 0 },
        http: { port: 0 },
        security: { mode: 'tls' },
        shutdownGraceMs: 500,
        ...config,
      }),
      { softwareVersion: 'test', ...options },
    );
    onTestFinished(() => running.close());
    return new Consortium(folder, running);
  }

  get data(): string {
    return join(this.folder, 'coordinator');
  }

  get roots() {
    return [this.running.access.authority.root];
  }

  /** The first operator, whose credential the coordinator wrote. */
  get adminCredential(): Credential {
    return readCredential(join(this.data, 'pki', 'admin'));
  }

  tls(credential?: Credential): ClientSecurity {
    return { kind: 'tls', roots: this.roots, ...(credential && { credential }) };
  }

  admin(security: ClientSecurity = this.tls(this.adminCredential)): RpcClient<AdminCalls> {
    const client = createAdminClient({ address: this.address, security });
    onTestFinished(() => client.close());
    return client;
  }

  silo(security: ClientSecurity, session: () => string = () => ''): RpcClient<SiloCalls> {
    const client = createSiloClient({
      address: this.address,
      security,
      metadata: () => ({ 'fedrot-session': session() }),
    });
    onTestFinished(() => client.close());
    return client;
  }

  async token(kind: string, name: string, role: Role | '' = '', lifetimeMs = 0): Promise<string> {
    return (await this.admin().createToken({ kind, name, role, lifetimeMs })).token;
  }

  /** As `fedrot enrol` does, over the network. */
  async enrol(token: string, folder = join(this.folder, `party-${Math.random()}`)): Promise<Credential> {
    const { fingerprint } = this.running.access;
    await enrol({ address: this.address, token, fingerprint, folder, clock: systemClock });
    return readCredential(folder);
  }

  async enrolSilo(name: string): Promise<Credential> {
    return this.enrol(await this.token('silo', name));
  }

  async enrolOperator(name: string, role: Role): Promise<Credential> {
    return this.enrol(await this.token('operator', name, role));
  }

  /** A certificate as the authority would not make it: other dates, other issuer. */
  async forged(
    identity: Identity,
    change: { nowMs?: number; validityDays?: number; authority?: unknown } = {},
  ) {
    const authority = (change.authority ??
      this.running.access.authority) as typeof this.running.access.authority;
    const key = generateKey();
    const issued = await issueCertificate(authority, {
      publicKey: createPublicKey(key),
      identity,
      nowMs: change.nowMs ?? Date.now(),
      ...(change.validityDays !== undefined && { validityDays: change.validityDays }),
    });
    return { key, certificates: [issued.certificate], roots: this.roots, facts: issued };
  }

  audit(): AuditEntry[] {
    return readFileSync(join(this.data, 'audit.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as AuditEntry);
  }

  refusals(): AuditEntry['body'][] {
    return this.audit()
      .map(({ body }) => body)
      .filter(({ action }) => action === 'call.refuse');
  }
}

export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-security-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export const registration = (silo: string) => ({
  silo,
  role: 'SILO_ROLE_TRAINER' as const,
  protocolMin: 1,
  protocolMax: 1,
  softwareVersion: 'test',
  examples: 10,
});
