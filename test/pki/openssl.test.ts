import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { loadAuthority } from '../../src/pki/authority.js';
import { certificateFacts, parseCertificate, toPem } from '../../src/pki/certificate.js';
import { createCrl } from '../../src/pki/crl.js';
import { fingerprint, formatFingerprint, parseFingerprint } from '../../src/pki/fingerprint.js';
import { issueCertificate } from '../../src/pki/issue.js';
import { generateKey, generateSigningKey, privateKeyPem } from '../../src/pki/keys.js';
import { createRequest, verifyRequest } from '../../src/pki/request.js';
import { tlsOptions } from '../../src/pki/tls-options.js';
import { verifyCertificate } from '../../src/pki/verify-certificate.js';
import { handshake } from './support/handshake.js';
import { openssl, opensslMissing, opensslVersion } from './support/openssl.js';
import { authorityAt, COORDINATOR, DAY, party, silo, temporaryFolder } from './support/parties.js';

const now = Date.now();

describe.skipIf(opensslVersion === undefined)(`OpenSSL agrees (${opensslVersion ?? opensslMissing})`, () => {
  const write = (folder: string, name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  test('every kind of certificate verifies, for its purpose and no other', async () => {
    const folder = temporaryFolder();
    const authority = await authorityAt(now);
    const ca = write(folder, 'ca.pem', toPem([authority.root]));
    const signer = { kind: 'signer', name: 'main' } as const;
    const operator = { kind: 'operator', name: 'ada', role: 'admin' } as const;
    const cases = [
      { identity: silo('a'), good: 'sslclient', bad: 'sslserver' },
      { identity: operator, good: 'sslclient', bad: 'sslserver' },
      { identity: COORDINATOR, good: 'sslserver', bad: 'sslclient' },
      { identity: signer, good: 'any', bad: 'sslclient', key: generateSigningKey() },
    ];
    for (const { identity, good, bad, key = generateKey() } of cases) {
      const { issued } = await party(authority, identity, { nowMs: now, key });
      const path = write(folder, `${identity.kind}.pem`, toPem([issued.certificate]));
      const verify = (purpose: string) =>
        openssl(['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, path]);
      expect(verify(good), identity.kind).toMatchObject({ ok: true });
      expect(verify(bad).ok, `${identity.kind} as ${bad}`).toBe(false);
      const text = openssl(['x509', '-in', path, '-noout', '-text']).output;
      expect(text).toContain(`URI:fedrot:${identity.kind}:${identity.name}`);
      expect(text).toContain('CA:FALSE');
    }
  });

  test('the fingerprint is the one that openssl prints', async () => {
    const folder = temporaryFolder();
    const { root } = await authorityAt(now);
    const path = write(folder, 'ca.pem', toPem([root]));
    const { output } = openssl(['x509', '-in', path, '-noout', '-fingerprint', '-sha256']);
    expect(output).toContain(formatFingerprint(fingerprint(root.raw)));
    expect(parseFingerprint(output)).toBe(fingerprint(root.raw));
  });

  test('a request verifies there, and one made there verifies here', async () => {
    const folder = temporaryFolder();
    const key = generateKey();
    const request = await createRequest(key, 'a');
    expect(openssl(['req', '-verify', '-noout'], request).output).toContain('verify OK');
    const path = write(folder, 'key.pem', privateKeyPem(key));
    for (const newKey of [[path], ['rsa:2048']]) {
      const args =
        newKey[0] === path
          ? ['-key', path]
          : ['-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, 'rsa.pem')];
      const made = openssl(['req', '-new', '-subj', '/CN=whoever', ...args]);
      const pem = /-----BEGIN[^-]*-----[^-]*-----END CERTIFICATE REQUEST-----/.exec(made.output)![0];
      const found = await verifyRequest(pem);
      if (newKey[0] === path) expect(found.equals(createPublicKey(key))).toBe(true);
      else expect(found.asymmetricKeyType).toBe('rsa');
    }
  });

  test('the revocation list is taken: the revoked certificate fails, the other one does not', async () => {
    const folder = temporaryFolder();
    const authority = await authorityAt(now);
    const [out, good] = await Promise.all(
      ['out', 'good'].map((name) => party(authority, silo(name), { nowMs: now })),
    );
    const entry = { atMs: now - 1000, by: 'operator:ada', reason: 'left' };
    const crl = await createCrl(authority, { [out!.facts.serial]: entry }, { nowMs: now, nextMs: now + DAY });
    const ca = write(folder, 'ca.pem', toPem([authority.root]));
    const list = write(folder, 'crl.pem', crl);
    const verify = (name: string, pem: string) =>
      openssl([
        'verify',
        '-x509_strict',
        '-crl_check',
        '-CRLfile',
        list,
        '-CAfile',
        ca,
        write(folder, name, pem),
      ]);
    expect(verify('good.pem', toPem([good!.issued.certificate])).output).toContain('OK');
    expect(verify('out.pem', toPem([out!.issued.certificate])).output).toContain('certificate revoked');
    expect(openssl(['crl', '-in', list, '-noout', '-crlnumber']).output).toMatch(/0x[0-9A-F]+/i);
  });

  const bring = (
    folder: string,
    algorithm: readonly string[],
  ): { root: string; issuing: string; key: string } => {
    const at = (name: string): string => join(folder, name);
    const extensions = write(
      folder,
      'ext.cnf',
      'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=none\n',
    );
    const steps = [
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:3072',
        '-nodes',
        '-keyout',
        at('root.key'),
        '-out',
        at('root.pem'),
      ].concat(['-days', '30', '-subj', '/O=Hospital Group/CN=Root – Über']),
      ['req', '-new', ...algorithm, '-nodes', '-keyout', at('sub.key'), '-out', at('sub.csr')].concat([
        '-subj',
        '/O=Hospital Group/CN=Issuing',
      ]),
      [
        'x509',
        '-req',
        '-in',
        at('sub.csr'),
        '-CA',
        at('root.pem'),
        '-CAkey',
        at('root.key'),
        '-days',
        '20',
      ].concat(['-CAcreateserial', '-extfile', extensions, '-out', at('sub.pem')]),
    ];
    for (const step of steps) expect(openssl(step), step.join(' ')).toMatchObject({ ok: true });
    return { root: at('root.pem'), issuing: at('sub.pem'), key: at('sub.key') };
  };

  test.each([
    ['ECDSA P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['RSA 2048', ['-newkey', 'rsa:2048']],
    ['Ed25519', ['-newkey', 'ed25519']],
  ])('an authority that was brought, issuing with %s under an RSA root', async (_label, algorithm) => {
    const folder = temporaryFolder();
    const files = bring(folder, algorithm);
    const read = (path: string): string => readFileSync(path, 'utf8');
    const authority = loadAuthority({
      certificatePem: read(files.issuing),
      keyPem: read(files.key),
      rootPem: read(files.root),
      nowMs: Date.now(),
    });
    const [server, client] = await Promise.all(
      [COORDINATOR, silo('a')].map((identity) => party(authority, identity, { nowMs: now })),
    );
    const leaf = write(folder, 'leaf.pem', toPem([client!.issued.certificate]));
    expect(
      openssl(['verify', '-purpose', 'sslclient', '-CAfile', files.root, '-untrusted', files.issuing, leaf]),
    ).toMatchObject({ ok: true });
    // The leaf's life is cut where its issuer's ends.
    expect(client!.facts.notAfterMs).toBe(Date.parse(authority.certificate.validTo));
    expect(await handshake(tlsOptions(server!), tlsOptions(client!))).toMatchObject({ client: undefined });
  });

  test('a brought authority that cannot be one is refused, and says why', async () => {
    const folder = temporaryFolder();
    const files = bring(folder, ['-newkey', 'rsa:2048']);
    const read = (path: string): string => readFileSync(path, 'utf8');
    const own = await authorityAt(now);
    const leaf = await party(own, silo('a'), { nowMs: now });
    const load = (certificatePem: string, keyPem: string, rootPem?: string) => () =>
      loadAuthority({ certificatePem, keyPem, nowMs: Date.now(), ...(rootPem !== undefined && { rootPem }) });
    expect(load(read(files.issuing), privateKeyPem(own.key), read(files.root))).toThrow(/does not belong/);
    expect(load(read(files.issuing), read(files.key), toPem([own.root]))).toThrow(/not issued by/);
    expect(load(toPem([leaf.issued.certificate]), privateKeyPem(leaf.key), toPem([own.root]))).toThrow(
      /CA:TRUE/,
    );
    const weak = openssl([
      'req',
      '-x509',
      '-newkey',
      'rsa:1024',
      '-nodes',
      '-subj',
      '/CN=weak',
      '-keyout',
      join(folder, 'weak.key'),
    ]);
    const weakPem = /-----BEGIN CERT[^]*-----END CERTIFICATE-----/.exec(weak.output)![0];
    expect(load(weakPem, read(join(folder, 'weak.key')))).toThrow(/RSA of 1024 bits/);
  });

  test('path lengths and critical extensions count outside of TLS too', async () => {
    const folder = temporaryFolder();
    const authority = await authorityAt(now); // path length 0: no authorities below it
    const ca = write(folder, 'ca.pem', toPem([authority.root]));
    const caKey = write(folder, 'ca.key', privateKeyPem(authority.key));
    const key = generateKey();
    const csr = write(folder, 'sub.csr', await createRequest(key, 'sub'));
    const sign = (name: string, extensions: string): string => {
      const ext = write(folder, `${name}.cnf`, extensions);
      const out = join(folder, `${name}.pem`);
      const args = [
        '-CA',
        ca,
        '-CAkey',
        caKey,
        '-CAcreateserial',
        '-extfile',
        ext,
        '-days',
        '9',
        '-out',
        out,
      ];
      expect(openssl(['x509', '-req', '-in', csr, ...args])).toMatchObject({ ok: true });
      return out;
    };
    const trusted = { roots: [authority.root], nowMs: Date.now() + 1000, usage: 'client' as const };

    const sub = sign('sub', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n');
    const below = parseCertificate(readFileSync(sub, 'utf8'));
    const { issued } = await party(
      { certificate: below, key, intermediates: [below], root: authority.root },
      silo('a'),
      { nowMs: now },
    );
    const leaf = write(folder, 'leaf.pem', toPem([issued.certificate]));
    expect(openssl(['verify', '-CAfile', ca, '-untrusted', sub, leaf]).output).toMatch(/path length/);
    const dates = { ...trusted, nowMs: now + 60_000 };
    expect(() => verifyCertificate(issued.certificate, { ...dates, intermediates: [below] })).toThrow(
      /allows 0 authorities below it; there are 1/,
    );

    const usual = 'subjectAltName=URI:fedrot:silo:a\nextendedKeyUsage=clientAuth\n';
    const plain = parseCertificate(readFileSync(sign('plain', usual), 'utf8'));
    expect(verifyCertificate(plain, { ...trusted, nowMs: Date.parse(plain.validFrom) }).identity).toEqual(
      silo('a'),
    );
    const odd = sign('odd', `${usual}1.2.3.4=critical,DER:0500\n`);
    const certificate = parseCertificate(readFileSync(odd, 'utf8'));
    expect(() =>
      verifyCertificate(certificate, { ...trusted, nowMs: Date.parse(certificate.validFrom) }),
    ).toThrow(/critical extension 1\.2\.3\.4/);
  });

  test('a certificate that openssl made without a fedrot name is nobody', async () => {
    const folder = temporaryFolder();
    const authority = await authorityAt(now);
    const ca = write(folder, 'ca.pem', toPem([authority.root]));
    const key = write(folder, 'ca.key', privateKeyPem(authority.key));
    const csr = write(folder, 'r.csr', await createRequest(generateKey(), 'a'));
    const names = [
      'DNS:fedrot',
      'URI:fedrot:silo:a,URI:fedrot:silo:b',
      'URI:fedrot:operator:a',
      'email:fedrot:silo:a@x',
    ];
    for (const name of names) {
      const ext = write(folder, 'san.cnf', `subjectAltName=${name}\n`);
      const made = openssl([
        'x509',
        '-req',
        '-in',
        csr,
        '-CA',
        ca,
        '-CAkey',
        key,
        '-CAcreateserial',
        '-extfile',
        ext,
      ]);
      const pem = /-----BEGIN CERT[^]*-----END CERTIFICATE-----/.exec(made.output)![0];
      expect(() => certificateFacts(parseCertificate(pem).raw), name).toThrow(/identity/);
    }
  });
});

test('certificates end with their authority', async () => {
  const authority = await authorityAt(now - 3640 * DAY);
  const publicKey = createPublicKey(generateKey());
  const issued = await issueCertificate(authority, { publicKey, identity: silo('a'), nowMs: now });
  expect(issued.notAfterMs).toBe(Date.parse(authority.certificate.validTo));
  const later = issueCertificate(authority, { publicKey, identity: silo('a'), nowMs: now + 11 * DAY });
  await expect(later).rejects.toMatchObject({ code: 'precondition_failed' });
});
