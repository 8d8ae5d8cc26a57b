import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientConfigSchema } from '../../src/client/config.js';
import { startClient } from '../../src/client/daemon.js';
import { child, parseContext, roundContext } from '../../src/trace/tracing.js';
import { FakeTrainer } from '../client/fake-trainer.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { openBundle } from '../../src/model/bundle.js';
import { createRun as createFromBundle } from '../../src/cli/admin/create-run.js';
import { pushBundle } from '../../src/cli/admin/push-bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { mails } from '../ops/support/federation.js';
import { startTestCoordinator, untilRun } from '../server/support/harness.js';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly service: string;
}

interface Otlp {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { readonly stringValue: string };
      }[];
    };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<Span, 'service'>[] }[];
  }[];
}

let folder: string;
let collector: Server;
let spans: Span[];
let endpoint: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-trace-'));
  spans = [];
  collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(Buffer.concat(parts).toString()) as Otlp;
      for (const { resource, scopeSpans } of resourceSpans) {
        const service =
          resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
        for (const scope of scopeSpans) for (const span of scope.spans) spans.push({ ...span, service });
      }
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
});
afterEach(async () => {
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** One round with one silo; `traced` switches both on. */
async function oneRound(traced: boolean): Promise<void> {
  const tracing = traced ? { endpoint } : {};
  const made = await tinyBundle(await tinyCheckpoint());
  const bundle = await openBundle(made.folder, { verify: false });
  const coordinator = await startTestCoordinator(join(folder, 'c'), { tracing });
  const spec = parseRunSpec({
    name: 'mail',
    bundle: bundle.sha256,
    task: { kind: 'text-classification', labels: made.manifest.task.labels, maxTokens: 16 },
    lora: { rank: 2 },
    rounds: { count: 1, minSilos: 1 },
  });
  const config = clientConfigSchema.parse({
    name: 'north',
    coordinator: coordinator.address,
    folder: join(folder, 's'),
    data: { train: mails(join(folder, 'x.jsonl'), made.manifest.task.labels) },
    tracing,
  });
  const trainer = new FakeTrainer();
  trainer.train = (input) =>
    Promise.resolve({
      tensors: initialAdapter(bundle, spec.lora, 9),
      examples: input.data.examples.length,
      metrics: { loss: 1, steps: 1, seconds: 1, tokens: 1 },
    });
  const silo = await startClient(config, { trainer });
  await pushBundle(coordinator.admin, bundle);
  const { runId } = await createFromBundle(coordinator.admin, bundle, spec);
  await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
  await silo.close();
  await coordinator.close();
}

describe('traces', () => {
  it('show a round across coordinator and silo as one trace', async () => {
    await oneRound(true);
    const round = spans.find(({ name }) => name === 'round');
    expect(round).toMatchObject({ service: 'fedrot-coordinator' });
    expect(round?.parentSpanId ?? '').toBe('');
    const mine = spans.filter(({ traceId }) => traceId === round?.traceId);
    const byName = new Map(mine.map((span) => [span.name, span]));
    expect([...byName.keys()].sort()).toEqual(
      expect.arrayContaining([
        'SubmitUpdate',
        'aggregating',
        'collecting',
        'fetching',
        'round',
        'train',
        'uploading',
      ]),
    );
    expect(byName.get('collecting')?.parentSpanId).toBe(round?.spanId);
    expect(byName.get('train')).toMatchObject({ service: 'fedrot-client', parentSpanId: round?.spanId });
    expect(byName.get('fetching')?.parentSpanId).toBe(byName.get('train')?.spanId);
    // The silo's context came through the metadata of its gRPC call.
    expect(byName.get('SubmitUpdate')).toMatchObject({
      service: 'fedrot-coordinator',
      parentSpanId: byName.get('train')?.spanId,
    });
    expect(new Set(mine.map(({ spanId }) => spanId)).size).toBe(mine.length);
    for (const { startTimeUnixNano, endTimeUnixNano } of mine)
      expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
  });

  it('are off unless they are asked for', async () => {
    await oneRound(false);
    expect(spans).toEqual([]);
  });
});

describe('contexts', () => {
  it('are those of W3C Trace Context, the same for a round after every restart', () => {
    const context = roundContext('mail', 17, 3);
    expect(context).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(roundContext('mail', 17, 3)).toBe(context);
    expect(roundContext('mail', 17, 4)).not.toBe(context);
    expect(parseContext(child(context))?.traceId).toBe(parseContext(context)?.traceId);
    expect(parseContext(child(context))?.spanId).not.toBe(parseContext(context)?.spanId);
  });
  it.each([
    '',
    'x',
    `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
    `01-${'a'.repeat(32)}-${'1'.repeat(16)}-01`,
  ])('of others are not trusted: %j', (text) => {
    expect(parseContext(text)).toBeUndefined();
  });
});
