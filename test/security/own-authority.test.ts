import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createRun } from '../../src/cli/admin/create-run.js';
import { pushBundle } from '../../src/cli/admin/push-bundle.js';
import { folderSource } from '../../src/cli/audit/sources.js';
import { signerKeys, verifyRun } from '../../src/cli/audit/verify.js';
import { openBundle } from '../../src/model/bundle.js';
import { parseCertificates } from '../../src/pki/certificate.js';
import { fingerprint } from '../../src/pki/fingerprint.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { FakeTrainer } from '../client/fake-trainer.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { openssl, opensslMissing, opensslVersion } from '../pki/support/openssl.js';
import { Consortium, temporary } from './support/consortium.js';
import { startSilo, tinySpec } from './support/silo.js';

/** A company's root, and below it an authority that may sign parties: RSA above, P-384 below, as files. */
function ownAuthority(folder: string): { certificate: string; key: string; root: string } {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const run = (...args: string[]): void => {
    const { ok, output } = openssl(args);
    expect(ok, output).toBe(true);
  };
  const root = ['-keyout', at('root.key'), '-out', at('root.pem'), '-days', '30', '-nodes'];
  run('req', '-x509', '-newkey', 'rsa:3072', ...root, '-subj', '/O=Company/CN=Company Root');
  run('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', at('sec1.key'));
  run('pkcs8', '-topk8', '-nocrypt', '-in', at('sec1.key'), '-out', at('sub.key'));
  run('req', '-new', '-key', at('sub.key'), '-out', at('sub.csr'), '-subj', '/O=Company/CN=Consortium');
  writeFileSync(
    at('sub.cnf'),
    'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
  );
  const signed = ['-CA', at('root.pem'), '-CAkey', at('root.key'), '-CAcreateserial', '-days', '20'];
  run('x509', '-req', '-in', at('sub.csr'), ...signed, '-extfile', at('sub.cnf'), '-out', at('sub.pem'));
  chmodSync(at('sub.key'), 0o600);
  return { certificate: at('sub.pem'), key: at('sub.key'), root: at('root.pem') };
}

test.skipIf(opensslVersion === undefined)(
  `an authority that was brought, below a company's root, does all that ours does (${opensslVersion ?? opensslMissing})`,
  async () => {
    const folder = temporary();
    const authority = ownAuthority(join(folder, 'company'));
    const consortium = await Consortium.start({ security: { mode: 'tls', authority } }, {}, folder);
    const [root] = parseCertificates(readFileSync(authority.root, 'utf8'));
    expect(fingerprint(consortium.running.access.authority.root.raw)).toBe(fingerprint(root!.raw));

    // Token, enrolment, a contribution.
    const silo = join(folder, 'silo');
    const credential = await consortium.enrol(await consortium.token('silo', 'a'), join(silo, 'credential'));
    expect(credential.certificates.map(({ subject }) => subject.split('\n').at(-1))).toEqual([
      'CN=a',
      'CN=Consortium',
    ]);
    await startSilo(silo, { name: 'a', coordinator: consortium.address }, { trainer: new FakeTrainer() });
    const checkpoint = await tinyCheckpoint();
    onTestFinished(() => rm(checkpoint, { recursive: true, force: true }));
    const bundle = await openBundle((await tinyBundle(checkpoint)).folder, { verify: false });
    const admin = consortium.admin();
    await pushBundle(admin, bundle);
    const { runId } = await createRun(admin, bundle, parseRunSpec(tinySpec(bundle.sha256)));
    await expect
      .poll(async () => (await admin.getRun({ runId })).state, { timeout: 20_000, interval: 100 })
      .toBe('RUN_STATE_FINISHED');

    // The evidence leads to the company's root, and to no other.
    const source = folderSource(consortium.data);
    const { texts, signersPem } = await source.manifests(runId);
    const roots = parseCertificates(await source.rootsPem());
    expect(fingerprint(roots[0]!.raw)).toBe(fingerprint(root!.raw));
    const keys = signerKeys(signersPem, roots, Date.now());
    expect(verifyRun(texts, keys, { run: runId }).chain).toMatchObject({ ok: true, rounds: 1 });
    const stranger = await Consortium.start({ security: { mode: 'tls', consortium: 'other' } });
    expect(() => signerKeys(signersPem, stranger.roots, Date.now())).toThrow(/no signer is vouched for/);

    // Its CRL is one that openssl takes.
    await admin.revokeParty({ kind: 'silo', name: 'a', serial: '', reason: 'left' });
    const { crlPem } = await admin.getAuthority({});
    const crl = join(folder, 'crl.pem');
    writeFileSync(crl, crlPem);
    const shown = openssl(['crl', '-in', crl, '-noout', '-text', '-CAfile', authority.certificate]).output;
    expect(shown).toMatch(/verify OK/i);
    expect(shown.replace(/[:\s]/g, '').toLowerCase()).toContain(credential.facts.serial.replace(/^0+/, ''));
  },
  40_000,
);
