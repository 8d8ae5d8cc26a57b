import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { AdapterComparison, AdapterVersion } from '../../api/types.js';
import type { AuditLog } from '../../evidence/audit.js';
import { FedrotError } from '../../errors.js';
import type { CallContext } from '../../rpc/call-context.js';
import type { Access } from '../access/access.js';
import { publishedAdapter } from '../coordinator/assignments.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { RunActor } from '../coordinator/run-actor.js';
import type { ModelTools } from '../model-tools.js';
import { audited } from '../services/audited.js';
import type { AdapterRecord } from '../store/store.js';
import { loraScale } from '../../run-spec.js';
import type { BundleShelf } from './bundles.js';
import { compareFiles } from './compare-adapters.js';
import { modelCard } from './model-card.js';
import type { Route } from './route.js';
import type { RunSeriesCache } from './run-series.js';
import { zipStream } from './zip.js';

export interface AdapterRoutesOptions {
  readonly coordinator: Coordinator;
  readonly access: Access;
  readonly audit: AuditLog;
  readonly series: RunSeriesCache;
  readonly shelf: BundleShelf;
  readonly software: string;
  readonly models?: ModelTools | undefined;
}

/** Published versions of a run's adapter: what they are, how they differ, and to take away. */
export function adapterRoutes(options: AdapterRoutesOptions): readonly Route[] {
  const { coordinator, audit } = options;
  const find = (runId: string, version: number): { run: RunActor; adapter: AdapterRecord } => {
    const run = coordinator.run(runId);
    return { run, adapter: publishedAdapter(run, version) };
  };
  const path = ({ sha256 }: AdapterRecord): string => coordinator.spool.pathOf(sha256);
  const fetched = (call: CallContext, { runId }: RunActor, { version }: AdapterRecord): Promise<void> =>
    audited(
      audit,
      call,
      'adapter.fetch',
      () => Promise.resolve(),
      () => ({
        object: `${runId} version ${version}`,
      }),
    );

  return [
    {
      method: 'GET',
      path: '/runs/:run/adapters',
      as: 'ListAdapters',
      about: 'published versions, 0 being the initial one: AdapterVersion[]',
      handle: async ({ param }): Promise<readonly AdapterVersion[]> =>
        [...coordinator.run(param('run')).adapters.values()].map(versionOf),
    },
    {
      method: 'GET',
      path: '/runs/:run/adapters/:version/card',
      as: 'ListAdapters',
      about: 'its model card, Markdown',
      handle: async ({ param, number, context }) => {
        const { run, adapter } = find(param('run'), number('version'));
        return context.body(await cardOf(options, run, adapter), 200, {
          'Content-Type': 'text/markdown; charset=utf-8',
        });
      },
    },
    {
      method: 'GET',
      path: '/runs/:run/adapters/:version/file',
      as: 'FetchAdapter',
      about: 'adapter_model.safetensors as it was published; its ETag is its SHA-256',
      handle: async ({ param, number, context, call }) => {
        const { run, adapter } = find(param('run'), number('version'));
        await fetched(call, run, adapter);
        const file = Readable.toWeb(createReadStream(path(adapter))) as ReadableStream;
        return context.body(file, 200, {
          'Content-Type': 'application/octet-stream',
          'Content-Length': String(adapter.bytes),
          'Content-Disposition': attachment(`${run.runId}-v${adapter.version}.safetensors`),
          ETag: `"${adapter.sha256}"`,
        });
      },
    },
    {
      method: 'GET',
      path: '/runs/:run/adapters/:version/archive',
      as: 'FetchAdapter',
      about: 'a ZIP of adapter_model.safetensors, adapter_config.json (PEFT) and README.md, the model card',
      handle: async ({ param, number, context, call }) => {
        const { run, adapter } = find(param('run'), number('version'));
        const entries = [
          { name: 'adapter_model.safetensors', content: { path: path(adapter) } },
          { name: 'adapter_config.json', content: await configOf(options, run) },
          { name: 'README.md', content: await cardOf(options, run, adapter) },
        ];
        await fetched(call, run, adapter);
        const folder = `${run.runId}-v${adapter.version}`;
        const named = entries.map(({ name, content }) => ({ name: `${folder}/${name}`, content }));
        return context.body(zipStream(named, new Date(adapter.createdMs)), 200, {
          'Content-Type': 'application/zip',
          'Content-Disposition': attachment(`${folder}.zip`),
        });
      },
    },
    {
      method: 'GET',
      path: '/runs/:run/compare',
      as: 'ListAdapters',
      about: 'how the versions `from` and `to` differ, by module: AdapterComparison',
      handle: async ({ param, number }): Promise<AdapterComparison> => {
        const [from, to] = [find(param('run'), number('from')), find(param('run'), number('to'))];
        const found = await compareFiles(path(from.adapter), path(to.adapter), loraScale(from.run.spec.lora));
        return { from: versionOf(from.adapter), to: versionOf(to.adapter), ...found };
      },
    },
  ];
}

const versionOf = ({ version, sha256, bytes, createdMs }: AdapterRecord): AdapterVersion => ({
  version,
  sha256,
  bytes,
  createdMs,
});

/** Names of runs and versions are plain (checks.ts), so that they need no quoting. */
const attachment = (name: string): string => `attachment; filename="${name}"`;

async function configOf({ shelf, models }: AdapterRoutesOptions, run: RunActor): Promise<string> {
  if (models === undefined)
    throw new FedrotError(
      'precondition_failed',
      'this coordinator was started without what knows PEFT; take the file, or fedrot adapter get',
    );
  const model = await shelf.model(run.spec.bundle);
  const names = run.tensors.map(({ name }) => name);
  return `${JSON.stringify(await models.adapterConfig(run.spec, names, model?.name ?? null), null, 2)}\n`;
}

async function cardOf(options: AdapterRoutesOptions, run: RunActor, adapter: AdapterRecord): Promise<string> {
  const { coordinator, access, series, shelf, software } = options;
  const { version, sha256, bytes, createdMs } = adapter;
  const { rounds, evaluations } = await series.read(run.runId, 0, -1);
  return modelCard({
    runId: run.runId,
    spec: run.spec,
    version,
    sha256,
    bytes,
    createdMs,
    model: await shelf.model(run.spec.bundle),
    rounds: rounds.filter(({ round }) => round <= version),
    evaluations,
    silos: await coordinator.store.contributions(run.runId, version),
    software,
    coordinator: access.coordinator,
    fingerprint: access.fingerprint,
  });
}
