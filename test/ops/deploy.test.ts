import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { clientConfigSchema } from '../../src/client/config.js';
import { coordinatorFileSchema } from '../../src/cli/commands/coordinator.js';
import { settingsOf } from '../../src/cli/config/settings.js';
import { repoPath } from '../support/repo.js';
import { kustomizationSchema } from './support/kustomization.js';
import { hasTool, runTool } from './support/tools.js';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
}

const compose = parse(readFileSync(repoPath('docker-compose.yml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image.startsWith('fedrot-'));
const stages = [...readFileSync(repoPath('Dockerfile'), 'utf8').matchAll(/^FROM \S+ AS (\S+)$/gm)].map(
  ([, name]) => name,
);
const variables = new Set(
  [coordinatorFileSchema, clientConfigSchema].flatMap((schema) =>
    settingsOf(schema).map(({ variable }) => variable),
  ),
);

describe('docker-compose.yml', () => {
  test('has a coordinator, three silos, an evaluator, Prometheus and Grafana', () => {
    expect(services.map(([name]) => name)).toEqual([
      'coordinator',
      'init',
      'silo-1',
      'silo-2',
      'silo-3',
      'evaluator',
      'run',
      'prometheus',
      'grafana',
    ]);
  });
  test('builds targets that the Dockerfile has, and starts nothing that nobody builds', () => {
    const built = ours.flatMap(([, { build, image }]) => (build ? [[image, build.target]] : []));
    for (const [, target] of built) expect(stages).toContain(target);
    expect([...new Set(ours.map(([, { image }]) => image))].sort()).toEqual(
      built.map(([image]) => image).sort(),
    );
  });
  test('sets only settings that exist', () => {
    const set = ours.flatMap(([, { environment = {} }]) => Object.keys(environment));
    expect(set.filter((name) => !variables.has(name))).toEqual([]);
  });
  test('mounts volumes and files that are there', () => {
    for (const [name, { volumes = [] }] of services)
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('./'))
          expect(statSync(repoPath(source)).isDirectory(), `${name}: ${source}`).toBe(true);
        else expect(Object.keys(compose.volumes), name).toContain(source);
      }
  });
  test('depends on services that are there, without a circle', () => {
    const after = (name: string, seen: readonly string[]): void => {
      expect(seen).not.toContain(name);
      const { depends_on: on = [] } = compose.services[name]!;
      for (const next of Array.isArray(on) ? (on as string[]) : Object.keys(on)) {
        expect(Object.keys(compose.services)).toContain(next);
        after(next, [...seen, name]);
      }
    };
    for (const [name] of services) after(name, []);
  });
  test('runs our images read-only and without capabilities, and publishes on loopback only', () => {
    for (const [name, service] of ours)
      expect([service.read_only, service.cap_drop], name).toEqual([true, ['ALL']]);
    const ports = services.flatMap(([, { ports: published = [] }]) => published);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });
  test('Prometheus scrapes services that are there', () => {
    const { scrape_configs: jobs } = parse(
      readFileSync(repoPath('deploy/prometheus/prometheus.yml'), 'utf8'),
    ) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    const targets = jobs.flatMap((job) => job.static_configs.flatMap(({ targets: each }) => each));
    for (const target of targets) expect(Object.keys(compose.services)).toContain(target.split(':')[0]);
  });
  test.skipIf(!hasTool('docker') || runTool('docker', ['compose', 'version']).status !== 0)(
    'docker compose accepts it',
    () => {
      const { status, text } = runTool('docker', ['compose', 'config', '--quiet'], repoPath('.'));
      expect(text).toBe('');
      expect(status).toBe(0);
    },
  );
});

describe('shell scripts of the trial', () => {
  test.each(['init.sh', 'run.sh'])('%s is a script that sh accepts', (name) => {
    const path = repoPath('deploy/compose', name);
    expect(runTool('sh', ['-n', path])).toEqual({ status: 0, text: '' });
    expect(statSync(path).mode & 0o111).not.toBe(0);
  });
});

describe('systemd units', () => {
  const folder = repoPath('deploy/systemd');
  const units = readdirSync(folder);
  test.each(units)('%s starts a command that exists, with settings that exist', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const [, command = '', rest = ''] = /^ExecStart=\/usr\/bin\/env fedrot (\w+) (.*)$/m.exec(text) ?? [];
    expect(['client', 'coordinator']).toContain(command);
    const flags = settingsOf(command === 'client' ? clientConfigSchema : coordinatorFileSchema).map(
      ({ flag }) => flag,
    );
    for (const [flag] of rest.matchAll(/--[a-z-]+/g)) expect([...flags, '--config']).toContain(flag);
  });
  test('the coordinator starts with the options that its image has and the benches measure', () => {
    const files = [
      'deploy/systemd/fedrot-coordinator.service',
      'Dockerfile',
      'bench/coordinator/processes.mjs',
    ];
    const options = files.map(
      (path) => /--max-semi-space-size=\d+/.exec(readFileSync(repoPath(path), 'utf8'))?.[0],
    );
    expect(new Set(options)).toEqual(new Set(['--max-semi-space-size=4']));
  });
  test.skipIf(!hasTool('systemd-analyze'))('systemd-analyze verifies them', () => {
    const { status, text } = runTool('systemd-analyze', [
      'verify',
      ...units.map((name) => join(folder, name)),
    ]);
    expect(text.split('\n').filter((line) => line.includes('fedrot'))).toEqual([]);
    expect(status).toBe(0);
  });
});

describe('Kubernetes manifests', () => {
  const folder = repoPath('deploy/kubernetes');
  interface Manifest {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata?: { readonly name: string };
    readonly [key: string]: unknown;
  }
  const load = (name: string): Manifest[] =>
    parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Manifest;
    });
  const [kustomization] = load('kustomization.yaml');
  const { namespace, resources, images = [] } = kustomizationSchema.parse(kustomization);
  const all = resources.flatMap(load);
  const one = (kind: string): Record<string, never> => all.find((each) => each.kind === kind) as never;

  test('kustomization.yaml names every manifest', () => {
    expect([...resources, 'kustomization.yaml'].sort()).toEqual(readdirSync(folder).sort());
    for (const { kind, apiVersion, metadata } of all) {
      expect(kind).toMatch(/^[A-Z]/);
      expect(apiVersion).toMatch(/^(v1|apps\/v1|networking\.k8s\.io\/v1)$/);
      expect(metadata?.name).toMatch(/^fedrot/);
    }
  });
  test('kustomization.yaml changes what is there: its namespace is made, its images are run', () => {
    const made = all.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata?.name);
    expect(made).toEqual([namespace]);
    const text = resources.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
    const run = [...text.matchAll(/^\s*(?:- )?image: ["']?([^\s"':@]+)/gm)].map(([, image]) => image);
    expect(run.length).toBeGreaterThan(0);
    for (const { name } of images) expect(run).toContain(name);
  });
  test('a slip in kustomization.yaml is found', () => {
    const issues = (changes: object): readonly string[] => {
      const parsed = kustomizationSchema.safeParse({ ...kustomization, ...changes });
      return parsed.success
        ? []
        : parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    };
    expect(issues({})).toEqual([]);
    expect(issues({ resource: ['x.yaml'] }).join()).toContain('resource');
    expect(issues({ commonLabels: { app: 'fedrot' } }).join()).toContain('commonLabels');
    expect(issues({ images: [{ name: 'fedrot-coordinator', tag: '1' }] }).join()).toContain('tag');
    expect(issues({ kind: 'Kustomisation' }).join()).toContain('kind');
  });
  test('services, set and policy select the same pods, and ports and probes meet', () => {
    const { spec } = one('StatefulSet') as unknown as {
      spec: {
        replicas: number;
        serviceName: string;
        selector: { matchLabels: object };
        template: {
          metadata: { labels: object };
          spec: {
            containers: {
              image: string;
              ports: { name: string; containerPort: number }[];
              readinessProbe: { httpGet: { path: string; port: string } };
              securityContext: object;
              volumeMounts: { name: string; mountPath: string }[];
            }[];
          };
        };
      };
    };
    const [container] = spec.template.spec.containers;
    expect(spec.replicas).toBe(1);
    expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
    const ports = new Map(container!.ports.map(({ name, containerPort }) => [name, containerPort]));
    expect(container!.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' });
    expect(container!.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container!.volumeMounts.map(({ mountPath }) => mountPath)).toEqual(['/data', '/tmp']);
    const found = all.filter(({ kind }) => kind === 'Service') as unknown as {
      metadata: { name: string };
      spec: { selector: object; ports: { port: number; targetPort: string }[] };
    }[];
    expect(found.map(({ metadata }) => metadata.name)).toContain(spec.serviceName);
    for (const service of found) {
      expect(service.spec.selector).toEqual(spec.selector.matchLabels);
      for (const { port, targetPort } of service.spec.ports) expect(ports.get(targetPort)).toBe(port);
    }
  });
  test('the configuration sets only settings that exist', () => {
    const { data } = one('ConfigMap') as unknown as { data: Record<string, string> };
    expect(Object.keys(data).filter((name) => !variables.has(name))).toEqual([]);
  });
});
