import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { SiloMetrics } from '../../src/client/metrics.js';
import { CoordinatorMetrics } from '../../src/server/metrics.js';
import { e2e, freePort } from '../support/e2e.js';
import { repoPath } from '../support/repo.js';
import { createArgs, SILOS, startFederation } from './support/federation.js';
import { hasTool, runTool } from './support/tools.js';

const HERE = repoPath('deploy/prometheus');
const DASHBOARDS = repoPath('deploy/grafana/dashboards');
/** Long enough that Prometheus sees counters move. */
const ROUNDS = 8;
const STEPS = 150;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

interface Dashboard {
  readonly title: string;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: { readonly query: string } }[];
  };
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const rules = parse(readFileSync(join(HERE, 'alerts.yml'), 'utf8')) as Rules;
const alerts = rules.groups.flatMap((group) => group.rules);
const dashboards = readdirSync(DASHBOARDS).map(
  (name) => JSON.parse(readFileSync(join(DASHBOARDS, name), 'utf8')) as Dashboard,
);
const queries = dashboards.flatMap(({ title, panels }) =>
  panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ where: `${title} / ${panel.title}`, expr }))),
);

describe('without Prometheus', () => {
  const known = new Set(
    [new CoordinatorMetrics(), new SiloMetrics()].flatMap((metrics) =>
      metrics.describe().map(({ name }) => name),
    ),
  );
  const unknown = (expr: string): readonly string[] =>
    (expr.match(/\b(fedrot|nodejs|process)_[a-z0-9_]+/g) ?? []).filter(
      (name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')),
    );
  test('rules and dashboards ask for metrics that exist', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect(queries.length).toBeGreaterThan(30);
    expect([...alerts, ...queries].flatMap(({ expr }) => unknown(expr))).toEqual([]);
  });
  test('every alert has a unit test that sees it fire, and a section of docs/alerts.md', () => {
    const tests = readFileSync(join(HERE, 'alerts.test.yml'), 'utf8');
    const page = readFileSync(repoPath('docs/alerts.md'), 'utf8');
    const fires = (alert: string): boolean =>
      new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`).test(tests);
    expect(alerts.filter(({ alert }) => !fires(alert)).map(({ alert }) => alert)).toEqual([]);
    expect(alerts.filter(({ alert }) => !page.includes(`## ${alert}\n`)).map(({ alert }) => alert)).toEqual(
      [],
    );
  });
});

describe.skipIf(!hasTool('promtool') || !hasTool('prometheus'))('with promtool and Prometheus', () => {
  test('promtool accepts configuration and rules, and their unit tests pass', () => {
    for (const args of [
      ['check', 'config', '--syntax-only', 'prometheus.yml'],
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts.test.yml'],
    ]) {
      const { status, text } = runTool('promtool', args, HERE);
      expect(text).toContain('SUCCESS');
      expect(status, text).toBe(0);
    }
  });

  e2e(
    'a live run is scraped, and every query of every panel has an answer',
    async ({ processes, folder }) => {
      const federation = await startFederation(processes, folder);
      const port = await freePort();
      const at = `http://127.0.0.1:${port}`;
      startPrometheus(folder, port, federation);
      const ask = async (path: string): Promise<unknown> =>
        ((await (await fetch(`${at}${path}`)).json()) as { data: unknown }).data;
      await expect
        .poll(
          () =>
            fetch(`${at}/-/ready`).then(
              ({ status }) => status,
              () => 0,
            ),
          { timeout: 30_000 },
        )
        .toBe(200);

      const health = async (): Promise<string[]> => {
        const { activeTargets } = (await ask('/api/v1/targets')) as { activeTargets: { health: string }[] };
        return activeTargets.map(({ health }) => health);
      };
      await expect.poll(health, { timeout: 30_000 }).toEqual(['up', 'up', 'up', 'up']);

      const created = await processes.run(createArgs(federation, ROUNDS, STEPS));
      expect(created.exit, created.describe()).toEqual({ code: 0, signal: null });
      const watched = await processes.run(['run', 'watch', 'mail', '--coordinator', federation.address], {
        timeoutMs: 120_000,
      });
      expect(watched.exit, watched.describe()).toEqual({ code: 0, signal: null });

      const value = async (query: string): Promise<unknown> => {
        const { result } = (await ask(`/api/v1/query?query=${encodeURIComponent(query)}`)) as {
          result: { value: [number, string] }[];
        };
        return result.map(({ value: [, text] }) => text);
      };
      await expect
        .poll(() => value('fedrot_rounds_total{run="mail"}'), { timeout: 15_000 })
        .toEqual([String(ROUNDS)]);
      // Every target is scraped at a moment of its own.
      await expect
        .poll(() => value('sum(fedrot_silo_steps_total{kind="train"})'), { timeout: 15_000 })
        .toEqual([String(SILOS.length * ROUNDS * STEPS)]);

      const answered = async (expr: string): Promise<boolean> => {
        const concrete = expr
          .replaceAll('$__rate_interval', '30s')
          .replaceAll('$run', 'mail')
          .replaceAll('$instance', '.*');
        // As Grafana does: over the time that is shown, here the last minutes.
        const end = Date.now() / 1000;
        const range = `/api/v1/query_range?start=${end - 120}&end=${end}&step=1&query=${encodeURIComponent(concrete)}`;
        const { result } = (await ask(range)) as { result: { values: [number, string][] }[] };
        return result.some(({ values }) => values.some(([, text]) => Number.isFinite(Number(text))));
      };
      for (const { where, expr } of queries)
        await expect.poll(() => answered(expr), { timeout: 15_000, message: `${where}: ${expr}` }).toBe(true);
      for (const { templating } of dashboards)
        for (const { query } of templating.list) {
          const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(query.query) ?? [];
          expect(await ask(`/api/v1/label/${label}/values?match[]=${metric}`)).not.toEqual([]);
        }
      const unhealthy = async (): Promise<string[]> => {
        const { groups } = (await ask('/api/v1/rules')) as { groups: { rules: { health: string }[] }[] };
        return groups
          .flatMap(({ rules: each }) => each.map(({ health }) => health))
          .filter((health) => health !== 'ok');
      };
      await expect.poll(unhealthy, { timeout: 15_000 }).toEqual([]);

      function startPrometheus(
        home: string,
        listen: number,
        { httpPort, metricsPorts }: typeof federation,
      ): void {
        const targets: Readonly<Record<string, readonly number[]>> = {
          'fedrot-coordinator': [httpPort],
          'fedrot-silo': [...metricsPorts.values()],
        };
        const config = parse(readFileSync(join(HERE, 'prometheus.yml'), 'utf8')) as {
          scrape_configs: { job_name: string; authorization?: unknown; static_configs: unknown }[];
        };
        // The configuration that is shipped, with other targets, on loopback, and quick.
        const quick = {
          ...config,
          global: { scrape_interval: '1s', evaluation_interval: '1s' },
          rule_files: [join(HERE, 'alerts.yml')],
          scrape_configs: config.scrape_configs.map(({ authorization: _, ...job }) => ({
            ...job,
            static_configs: [{ targets: targets[job.job_name]!.map((each) => `127.0.0.1:${each}`) }],
          })),
        };
        const file = join(home, 'prometheus.yml');
        writeFileSync(file, stringify(quick));
        mkdirSync(join(home, 'tsdb'));
        const child = spawn(
          'prometheus',
          [
            ...[`--config.file=${file}`, `--storage.tsdb.path=${join(home, 'tsdb')}`],
            ...[`--web.listen-address=127.0.0.1:${listen}`, '--log.level=warn'],
          ],
          { stdio: 'ignore' },
        );
        const end = (): void => void child.kill('SIGKILL');
        process.once('exit', end);
        ends.push(end);
      }
    },
  );
});
