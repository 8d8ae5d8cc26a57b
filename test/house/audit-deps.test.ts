import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { readRepoJson, repoPath, repoRoot } from '../support/repo.js';

const { version: zod } = (
  readRepoJson('package-lock.json') as { packages: Record<string, { version: string }> }
).packages['node_modules/zod']!;

/** A registry of our own: what it says of vulnerabilities, and one version of zod. */
async function registry(status: number, advisories: object): Promise<string> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      const isAudit = request.url?.includes('/security/') === true;
      response.writeHead(isAudit ? status : 200, { 'content-type': 'application/json' });
      const versions = { [zod]: { name: 'zod', version: zod, dist: {} } };
      const packument = { name: 'zod', 'dist-tags': { latest: zod }, versions };
      response.end(JSON.stringify(isAudit ? advisories : packument));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

function check(registryUrl: string, ...flags: string[]): Promise<{ code: number; out: string }> {
  const env = { ...process.env, npm_config_registry: registryUrl, npm_config_fetch_retries: '0' };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [repoPath('scripts/audit-deps.mjs'), ...flags],
      { cwd: repoRoot, env, timeout: 100_000 },
      (error, stdout) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout }),
    );
  });
}

test('the bill of materials needs no registry, and a registry that does not answer audits is a skip that says so', async () => {
  const { code, out } = await check(await registry(405, { error: 'no such service' }));
  expect(out).toMatch(/sbom: \d+ packages in \.cache\/sbom\.cdx\.json/);
  expect(out).toMatch(/audit: SKIPPED, the registry does not answer audits \(.*405/);
  expect(code).toBe(0);
});

test('a known vulnerability in what users install fails', async () => {
  const advisory = {
    id: 1,
    url: 'https://example.org/advisory',
    title: 'a made-up hole',
    severity: 'critical',
    vulnerable_versions: '>=0.0.0',
    cwe: [],
    cvss: { score: 9.8, vectorString: null },
  };
  const { code, out } = await check(await registry(200, { zod: [advisory] }), '--audit');
  expect(out).toMatch(/critical zod: a made-up hole/);
  expect(code).toBe(1);
});
