import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { FedrotError } from '../../errors.js';
import { checkName } from '../../name.js';
import type { AuditLog } from '../../evidence/audit.js';
import { tokenState, type TokenRecord } from '../../pki/enrolment-token.js';
import { httpTokenState, type HttpTokenRecord } from '../../pki/http-token.js';
import type { Identity } from '../../pki/identity.js';
import { isRole } from '../../pki/roles.js';
import type { CallContext } from '../../rpc/call-context.js';
import type { CreateTokenRequest } from '../../rpc/gen/fedrot/v1/CreateTokenRequest.js';
import type { TokenInput } from '../../rpc/gen/fedrot/v1/Token.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { Access } from '../access/access.js';
import type { HttpTokens } from '../access/http-tokens.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { sendTensors } from '../transfer/send-stream.js';
import { actorOf, audited } from './audited.js';
import { cleanText } from './checks.js';

/** The part of AdminService that has to do with who may join and what happened. */
export type AccessHandlers = Pick<
  AdminHandlers,
  | 'createToken'
  | 'listTokens'
  | 'revokeToken'
  | 'revokeParty'
  | 'readmitParty'
  | 'getAuthority'
  | 'listRoundManifests'
  | 'fetchUpdate'
  | 'readAudit'
>;

export interface AccessServiceOptions {
  readonly coordinator: Coordinator;
  readonly access: Access;
  readonly httpTokens: HttpTokens;
  readonly audit: AuditLog;
  readonly auditFile: string;
  /** host:port at which others reach the coordinator; empty where it was not told. */
  readonly address: () => string;
  /** Texts of a run's signed manifests in order, and the signers' certificates. */
  readonly manifests: (
    runId: string,
  ) => Promise<{ readonly texts: readonly string[]; readonly signersPem: string }>;
}

const KINDS = ['silo', 'operator', 'signer'] as const;

/** Not for a certificate: signs in to the HTTP side, again and again. */
const DASHBOARD = 'dashboard';

/** Throws option_invalid. */
function identityOf({ kind, name, role }: { kind: string; name: string; role?: string }): Identity {
  const known = KINDS.find((each) => each === kind);
  if (known === undefined)
    throw new FedrotError(
      'option_invalid',
      `kind ${JSON.stringify(kind.slice(0, 40))}: must be ${KINDS.join(', ')} or ${DASHBOARD}`,
    );
  checkName(name, `${kind} name`);
  if (known !== 'operator') return { kind: known, name };
  if (role === undefined || !isRole(role))
    throw new FedrotError('option_invalid', 'role of an operator: must be viewer, operator or admin');
  return { kind: known, name, role };
}

export function createAccessService(options: AccessServiceOptions): AccessHandlers {
  const { coordinator, access, audit, httpTokens } = options;
  const { clock } = coordinator;
  const view = (record: TokenRecord): TokenInput => ({
    id: record.id,
    kind: record.identity.kind,
    name: record.identity.name,
    role: record.identity.kind === 'operator' ? record.identity.role : '',
    state: tokenState(record, clock.now()),
    createdBy: record.createdBy,
    createdMs: record.createdMs,
    expiresMs: record.expiresMs,
    usedMs: record.used?.atMs ?? 0,
  });
  const viewHttp = (record: HttpTokenRecord): TokenInput => ({
    id: record.id,
    kind: DASHBOARD,
    name: record.name,
    role: record.role,
    state: httpTokenState(record, clock.now()),
    createdBy: record.createdBy,
    createdMs: record.createdMs,
    expiresMs: record.expiresMs,
    usedMs: 0,
  });
  const createHttp = async (request: CreateTokenRequest, context: CallContext) => {
    const { name, role, lifetimeMs } = request;
    const { token, record } = await httpTokens.create({
      name,
      role,
      createdBy: actorOf(context),
      lifetimeMs: lifetimeMs === 0 ? undefined : lifetimeMs,
    });
    return { token, record: viewHttp(record), fingerprint: '' };
  };

  return {
    createToken: (request, context) =>
      audited(
        audit,
        context,
        'token.create',
        async () => {
          if (request.kind === DASHBOARD) return createHttp(request, context);
          const identity = identityOf(request);
          const lifetime = request.lifetimeMs === 0 ? undefined : request.lifetimeMs;
          const { token, record } = await access.createToken(identity, actorOf(context), lifetime);
          return { token, record: view(record), fingerprint: access.fingerprint, address: options.address() };
        },
        (done) => ({
          object: done === undefined ? `${request.kind}:${request.name}` : `token ${done.record.id ?? ''}`,
          detail: `for ${request.kind}:${request.name} ${request.role}`.trim(),
        }),
      ),

    async listTokens() {
      return { tokens: [...(await access.tokens()).map(view), ...httpTokens.list().map(viewHttp)] };
    },

    revokeToken: ({ id }, context) =>
      audited(
        audit,
        context,
        'token.revoke',
        async () => {
          const revoked = await httpTokens.revoke(id);
          return revoked === undefined ? view(await access.revokeToken(id)) : viewHttp(revoked);
        },
        () => ({ object: `token ${id}` }),
      ),

    async revokeParty({ kind, name, serial, reason }, context) {
      const bySerial = serial !== '';
      const text = cleanText(reason, 500);
      const action = kind === 'silo' || bySerial ? 'silo.revoke' : 'operator.revoke';
      const work = async () => {
        const target = bySerial ? { serial } : partyOf({ kind, name });
        const connections = await access.revoke(target, actorOf(context), text);
        if (!bySerial && kind === 'silo') await coordinator.silos.expel(name);
        return { connections };
      };
      return audited(audit, context, action, work, () => ({
        object: bySerial ? `certificate ${serial}` : `${kind}:${name}`,
        detail: text,
      }));
    },

    readmitParty: ({ kind, name }, context) =>
      audited(
        audit,
        context,
        kind === 'silo' ? 'silo.readmit' : 'operator.readmit',
        async () => ({ certificates: await access.readmit(partyOf({ kind, name })) }),
        () => ({ object: `${kind}:${name}` }),
      ),

    async getAuthority() {
      return {
        rootsPem: access.rootsPem,
        fingerprint: access.fingerprint,
        crlPem: await access.crl(),
        coordinator: access.coordinator,
      };
    },

    async listRoundManifests({ runId }) {
      coordinator.run(runId);
      const { texts, signersPem } = await options.manifests(runId);
      return { manifests: [...texts], signersPem };
    },

    async *fetchUpdate({ runId, round, silo, offset }, context) {
      const open = async () => {
        coordinator.run(runId);
        const update =
          (await coordinator.store.countedUpdate(runId, round, silo)) ??
          (await coordinator.store.update(runId, round, silo));
        if (update === undefined)
          throw new FedrotError('not_found', `run ${runId} has no update of ${silo} in round ${round}`);
        if ((await coordinator.spool.size(update.sha256)) === undefined)
          throw new FedrotError(
            'not_found',
            `the update of ${silo} in round ${round} of run ${runId} is no longer kept (retention); its hash is ${update.sha256}`,
          );
        return update.sha256;
      };
      const object = `${runId} round ${round} ${silo}`;
      const sha256 = await audited(audit, context, 'update.fetch', open, () => ({ object }));
      yield* sendTensors(coordinator.spool.pathOf(sha256), sha256, {
        offset,
        chunkBytes: coordinator.config.chunkBytes,
        onSent: () => undefined,
      });
    },

    async *readAudit({ afterSeq }) {
      const lines = createInterface({ input: createReadStream(options.auditFile), crlfDelay: Infinity });
      let seq = 0;
      for await (const json of lines) if (++seq > afterSeq) yield { json };
    },
  };
}

function partyOf(request: { kind: string; name: string }): Pick<Identity, 'kind' | 'name'> {
  const { kind, name } = identityOf({ ...request, role: 'viewer' });
  return { kind, name };
}
