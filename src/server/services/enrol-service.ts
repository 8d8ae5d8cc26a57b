import { FedrotError } from '../../errors.js';
import type { AuditLog } from '../../evidence/audit.js';
import { identityKey } from '../../pki/identity.js';
import type { IssuedCertificate } from '../../pki/issue.js';
import type { CertificateResponseInput } from '../../rpc/gen/fedrot/v1/CertificateResponse.js';
import type { EnrolHandlers } from '../../rpc/services.js';
import type { Access } from '../access/access.js';

/** How parties get their certificates. Refusals are written down by whoever sees the call's end. */
export function createEnrolService(access: Access, audit: AuditLog): EnrolHandlers {
  const answer = ({ chainPem }: IssuedCertificate): CertificateResponseInput => ({
    certificatePem: chainPem,
    rootsPem: access.rootsPem,
    coordinator: access.coordinator,
  });
  const refusePlaintext = (): void => {
    if (access.mode === 'plaintext')
      throw new FedrotError('precondition_failed', 'this coordinator speaks plain text: nobody enrols here');
  };

  return {
    async enrol({ token, requestPem }, context) {
      refusePlaintext();
      const { issued, token: record } = await access.enrol({ token, requestPem });
      await audit.record({
        actor: identityKey(issued.identity),
        action: 'enrol',
        object: `token ${record.id}`,
        outcome: 'ok',
        peer: context.peer,
        certificate: issued.serial,
      });
      return answer(issued);
    },

    async renew({ requestPem }, context) {
      refusePlaintext();
      const { caller } = context;
      if (caller === undefined)
        throw new FedrotError('unauthenticated', 'Renew needs the certificate that is to be renewed');
      const issued = await access.renew(caller, requestPem);
      await audit.record({
        actor: identityKey(caller.identity),
        action: 'certificate.renew',
        object: issued.serial,
        outcome: 'ok',
        peer: context.peer,
        certificate: caller.serial,
      });
      return answer(issued);
    },
  };
}
