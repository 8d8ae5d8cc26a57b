import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSiloClient } from '../../src/rpc/client.js';
import type { SubmitUpdateRequestInput } from '../../src/rpc/gen/fedrot/v1/SubmitUpdateRequest.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { FakeSilo, type Task } from './support/fake-silo.js';
import {
  createRun,
  factors,
  pushBundle,
  pushFile,
  removeFolder,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilRun,
  type TestCoordinator,
} from './support/harness.js';
import { chunksOf, encode } from './support/payload.js';

/**
 * Every kind of bad input of a silo, over real sockets: its own code and message, counted, and the run goes on to its
 * end with the right update of the same silo and those of the others.
 */
const IDLE_MS = 400;
const MAX_MESSAGE = 64 * 1024;
let folder: string;
let coordinator: TestCoordinator;
let a: FakeSilo;
let b: FakeSilo;

beforeAll(async () => {
  folder = await tempFolder();
  coordinator = await startTestCoordinator(folder, {
    streamIdleMs: IDLE_MS,
    limits: { maxMessageBytes: MAX_MESSAGE, maxUpdateBytes: 40_000 },
  });
  await pushBundle(coordinator.admin);
  a = await new FakeSilo('a', coordinator.address).join();
  b = await new FakeSilo('b', coordinator.address).join();
});
afterAll(async () => {
  a.close();
  b.close();
  await coordinator.close();
  await removeFolder(folder);
});

const good = factors(5);
const changed = (change: (tensors: NamedTensor[]) => void): NamedTensor[] => {
  const tensors = factors(5);
  change(tensors);
  return tensors;
};
const first = (tensors: NamedTensor[]): NamedTensor =>
  tensors[0] ?? { name: '', shape: [], data: new Float32Array() };

/** The upload of a value that the encoder itself would refuse. */
function withFloat(task: Task, element: number, value: number): SubmitUpdateRequestInput[] {
  const encoded = encode(good);
  const payload = Buffer.from(encoded.payload);
  payload.writeFloatLE(value, element * 4);
  return [{ begin: a.begin(task, encoded) }, ...chunksOf(payload), { digest: { sha256: encoded.sha256 } }];
}

async function* stopping(messages: SubmitUpdateRequestInput[], after: number) {
  yield* messages.slice(0, after);
  await new Promise<never>(() => undefined);
}

type Send = (task: Task) => Promise<unknown>;
const submit =
  (messages: (task: Task) => SubmitUpdateRequestInput[]): Send =>
  (task) =>
    a.calls.submitUpdate(messages(task));

const CASES: readonly (readonly [what: string, code: string, text: RegExp, send: Send])[] = [
  [
    'a wrong shape',
    'tensor_shape',
    /classifier\.bias: expected shape \[2\], got \[3\]/,
    submit((task) =>
      a.messages(
        task,
        good.map((tensor) =>
          tensor.name.endsWith('bias') ? { ...tensor, shape: [3], data: new Float32Array(3) } : tensor,
        ),
      ),
    ),
  ],
  [
    'a wrong dtype',
    'tensor_dtype',
    /expected f32, got bf16/,
    submit((task) => {
      const encoded = encode(good, 'bf16');
      return [{ begin: a.begin(task, encoded) }, { digest: { sha256: encoded.sha256 } }];
    }),
  ],
  [
    'a module that the run does not have',
    'tensor_name',
    /base_model\.model\.key\.lora_A\.weight is not part of this adapter/,
    submit((task) =>
      a.messages(
        task,
        good.map((tensor) => ({ ...tensor, name: tensor.name.replace('query', 'key') })),
      ),
    ),
  ],
  ['a missing tensor', 'tensor_name', /is missing/, submit((task) => a.messages(task, good.slice(0, 3)))],
  ['NaN', 'tensor_not_finite', /element 7 is NaN or infinite/, submit((task) => withFloat(task, 2 + 7, NaN))],
  ['infinity', 'tensor_not_finite', /NaN or infinite/, submit((task) => withFloat(task, 0, -Infinity))],
  [
    'a checksum that does not match',
    'checksum_mismatch',
    /the sender states SHA-256 0{64}/,
    submit((task) => [...a.messages(task, good).slice(0, -1), { digest: { sha256: Buffer.alloc(32) } }]),
  ],
  [
    'another update than announced',
    'checksum_mismatch',
    /was announced as/,
    submit((task) => a.messages(task, good, { sha256: Buffer.alloc(32, 7) })),
  ],
  [
    'a stream that ends before its digest',
    'stream_truncated',
    /ended before its digest; 8192 of/,
    submit((task) => a.messages(task, good).slice(0, 3)),
  ],
  [
    'a stream that goes silent',
    'stream_truncated',
    /no message for 400 ms; 8192 of/,
    (task) => a.calls.submitUpdate(stopping(a.messages(task, good), 3)),
  ],
  [
    'a gap between chunks',
    'stream_truncated',
    /begins at byte 4096 of the payload; expected 0/,
    submit((task) => a.messages(task, good).filter((_, index) => index !== 1)),
  ],
  [
    'more payload than announced',
    'message_too_large',
    /beyond the .* bytes that the manifest announced/,
    submit((task) => {
      const messages = a.messages(task, good);
      const { payload } = encode(good);
      messages.splice(-1, 0, { chunk: { offset: payload.length, data: Buffer.alloc(4) } });
      return messages;
    }),
  ],
  [
    'a message over the limit',
    'message_too_large',
    /at most 65536 bytes/,
    submit((task) => {
      const [begin] = a.messages(task, good);
      return [begin ?? {}, { chunk: { offset: 0, data: Buffer.alloc(MAX_MESSAGE + 1) } }];
    }),
  ],
  [
    'an unknown run',
    'run_unknown',
    /no run "other"/,
    submit((task) => a.messages(task, good, { runId: 'other' })),
  ],
  [
    'a round that has not begun',
    'not_assigned',
    /has not begun/,
    submit((task) => a.messages(task, good, { round: 2 })),
  ],
  ['a closed round', 'round_closed', /too late/, submit((task) => a.messages(task, good, { round: 0 }))],
  [
    'another task',
    'not_assigned',
    /not outstanding/,
    submit((task) => a.messages(task, good, { taskId: 'x' })),
  ],
  [
    'another start',
    'precondition_failed',
    /starts from version 0/,
    submit((task) => a.messages(task, good, { baseVersion: 3 })),
  ],
  [
    'no examples',
    'option_invalid',
    /examples is 0/,
    submit((task) => a.messages(task, good, { examples: 0 })),
  ],
  [
    'another silo in its session',
    'unauthenticated',
    /register again/,
    submit((task) => a.messages(task, good, { silo: 'b' })),
  ],
  [
    'an unknown silo',
    'unauthenticated',
    /not registered/,
    submit((task) => a.messages(task, good, { silo: 'z' })),
  ],
  [
    'a bad name',
    'option_invalid',
    /must be 1 to 63/,
    submit((task) => a.messages(task, good, { silo: '../x' })),
  ],
  [
    'a short hash',
    'option_invalid',
    /32 bytes/,
    submit((task) => a.messages(task, good, { sha256: Buffer.alloc(3) })),
  ],
  [
    'no manifest',
    'manifest_invalid',
    /manifest is missing/,
    submit((task) => a.messages(task, good, { manifest: null })),
  ],
  ['nothing', 'manifest_invalid', /starts with a begin/, submit(() => [])],
  ['no begin', 'manifest_invalid', /starts with a begin/, submit((task) => a.messages(task, good).slice(1))],
  [
    'two begins',
    'manifest_invalid',
    /chunks and a digest, nothing else/,
    submit((task) => [a.messages(task, good)[0] ?? {}, ...a.messages(task, good)]),
  ],
  [
    'a continuation of nothing',
    'stream_truncated',
    /cannot continue at byte 4096: 0 are durable/,
    submit((task) =>
      a.messages(
        task,
        changed((tensors) => first(tensors).data.fill(0.5)),
        { offset: 4096 },
      ),
    ),
  ],
];

describe('a silo that sends', () => {
  it.each(CASES)('%s', async (_what, code, text, send) => {
    const runId = await createRun(
      coordinator.admin,
      specOf({ rounds: { count: 1, minSilos: 2, deadlineMs: 20_000 }, aggregation: { method: 'fedit' } }),
    );
    const ofRun = async (silo: FakeSilo): Promise<Task> => {
      const { taskId, train } = await silo.assignment(({ train: given }) => given?.runId === runId);
      return { taskId, train: train ?? ({} as Task['train']) };
    };
    const task = await ofRun(a);
    const series = `fedrot_updates_total{outcome="${code}"}`;
    const before = await coordinator.metric(series);
    const sent = send(task);
    await expect(sent).rejects.toMatchObject({ code });
    await expect(sent).rejects.toThrow(text);
    expect(await coordinator.metric(series)).toBe(before + 1);

    await b.submit(await ofRun(b), factors(6));
    await a.submit(task, good);
    const run = await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds[0]?.updates.map(({ silo }) => silo)).toEqual(['a', 'b']);
    expect(run.rounds[0]?.failures).toEqual([]);
  });

  it('a cancelled upload: counted as truncated, and continued from what is durable', async () => {
    const runId = await createRun(
      coordinator.admin,
      specOf({ rounds: { count: 1, minSilos: 1, deadlineMs: 20_000 } }),
    );
    const { taskId, train } = await a.assignment(({ train: given }) => given?.runId === runId);
    if (!train) throw new Error('no task');
    const task = { taskId, train };
    const fresh = factors(55);
    const series = 'fedrot_updates_total{outcome="stream_truncated"}';
    const before = await coordinator.metric(series);
    const received = await coordinator.metric('fedrot_received_bytes_total{kind="update"}');
    const leave = new AbortController();
    const broken = a.calls.submitUpdate(stopping(a.messages(task, fresh), 4), { signal: leave.signal });
    broken.catch(() => undefined);
    const { sha256, payload } = encode(fresh);
    // All three chunks have come before the silo leaves.
    await expect
      .poll(() => coordinator.metric('fedrot_received_bytes_total{kind="update"}'))
      .toBe(received + 3 * 4096);
    leave.abort();
    await expect(broken).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(() => coordinator.metric(series)).toBe(before + 1);

    const status = await a.calls.getUploadStatus({ runId, round: 1, silo: 'a', sha256 });
    expect(status).toEqual({ durableBytes: 3 * 4096, accepted: false });
    await expect(a.submit(task, fresh, { offset: 5 * 4096 })).rejects.toMatchObject({
      code: 'stream_truncated',
    });
    await a.submit(task, fresh, { offset: status.durableBytes });
    const b2 = await b.assignment(({ train: given }) => given?.runId === runId);
    if (b2.train) await b.submit({ taskId: b2.taskId, train: b2.train }, factors(6));
    const run = await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds[0]?.updates[0]?.sha256).toEqual(sha256);
    expect(run.rounds[0]?.updates[0]?.bytes).toBe(payload.length);
  });

  it('nothing at all: late at the deadline, with its reason, and counted', async () => {
    const runId = await createRun(
      coordinator.admin,
      specOf({ rounds: { count: 1, minSilos: 1, deadlineMs: 1500 }, aggregation: { method: 'fedit' } }),
    );
    const { taskId, train } = await b.assignment(({ train: given }) => given?.runId === runId);
    if (!train) throw new Error('no task');
    const series = 'fedrot_task_failures_total{code="deadline_exceeded"}';
    const before = await coordinator.metric(series);
    await b.submit({ taskId, train }, factors(6));
    const run = await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds[0]?.updates.map(({ silo }) => silo)).toEqual(['b']);
    expect(run.rounds[0]?.failures).toMatchObject([
      { silo: 'a', code: 'deadline_exceeded', message: 'no update for round 1 by its deadline' },
    ]);
    expect(await coordinator.metric(series)).toBe(before + 1);
    const late = await a.assignment(({ train: given }) => given?.runId === runId);
    if (!late.train) throw new Error('no task');
    await expect(a.submit({ taskId: late.taskId, train: late.train }, good)).rejects.toMatchObject({
      code: 'run_closed',
    });
  });
});

describe('an operator who sends', () => {
  const refused = (spec: object, tensors = factors(1, true)) =>
    createRun(coordinator.admin, { ...specOf(), ...spec }, tensors);

  it.each([
    ['an unknown key', { nonsense: 1 }, 'config_unknown_key'],
    ['a bad value', { rounds: { count: -1 } }, 'config_invalid'],
    ['an unknown method', { aggregation: { method: 'magic' } }, 'option_invalid'],
    ['an unknown option', { aggregation: { method: 'fedit', options: { x: 1 } } }, 'option_invalid'],
    ['a bundle that is not there', { bundle: 'f'.repeat(64) }, 'precondition_failed'],
    ['another rank', { lora: { rank: 3 } }, 'tensor_shape'],
  ])('a run with %s', async (_what, spec, code) => {
    await expect(refused(spec)).rejects.toMatchObject({ code });
  });

  it('an adapter over the limit', async () => {
    const large = { name: 'base_model.model.head.weight', shape: [8000], data: new Float32Array(8000) };
    const sent = refused({}, [...factors(1, true), large]);
    await expect(sent).rejects.toMatchObject({ code: 'message_too_large' });
    await expect(sent).rejects.toThrow('at most 40000');
  });

  it('half a pair of factors', async () => {
    await expect(refused({}, factors(1).slice(1))).rejects.toMatchObject({ code: 'tensor_name' });
  });

  it('a specification that is no JSON', async () => {
    await expect(
      coordinator.admin.createRun([{ begin: { specJson: '{', manifest: encode(good).manifest } }]),
    ).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('the same run id again: the same run is known, another one refused', async () => {
    const spec = specOf({ rounds: { count: 1, minSilos: 9 } });
    expect(await createRun(coordinator.admin, spec, factors(1, true), 'mine')).toBe('mine');
    expect(await createRun(coordinator.admin, spec, factors(1, true), 'mine')).toBe('mine');
    for (const [other, tensors] of [
      [{ ...spec, seed: 9 }, factors(1, true)],
      [spec, factors(2, true)],
    ] as const)
      await expect(createRun(coordinator.admin, other, tensors, 'mine')).rejects.toMatchObject({
        code: 'already_exists',
      });
    await coordinator.admin.stopRun({ runId: 'mine' });
  });

  it('a file of a bundle with a wrong checksum, or a name that is a path', async () => {
    expect(await pushFile(coordinator.admin, 'model.onnx', Buffer.from('again'))).toBe(true); // complete already
    const other = 'd'.repeat(64);
    const push = (file: string, sha256: Buffer) =>
      coordinator.admin.pushBundleFile([
        { begin: { bundleSha256: other, file, bytes: 5 } },
        { chunk: { offset: 0, data: Buffer.from('model') } },
        { digest: { sha256 } },
      ]);
    await expect(push('x', Buffer.alloc(32))).rejects.toMatchObject({ code: 'checksum_mismatch' });
    await expect(push('../x', Buffer.alloc(32))).rejects.toMatchObject({ code: 'option_invalid' });
  });

  it('a name that does not exist', async () => {
    await expect(coordinator.admin.getRun({ runId: 'none' })).rejects.toMatchObject({ code: 'run_unknown' });
    await expect(coordinator.admin.stopRun({ runId: 'none' })).rejects.toMatchObject({ code: 'run_unknown' });
  });
});

describe('Register', () => {
  const register = (changes: object) => {
    const client = createSiloClient({ address: coordinator.address });
    return client
      .register({ silo: 'r', role: 'SILO_ROLE_TRAINER', protocolMin: 1, protocolMax: 1, ...changes })
      .finally(() => {
        client.close();
      });
  };

  it.each([
    ['a newer protocol only', { protocolMin: 2, protocolMax: 3 }, 'protocol_version'],
    ['no role', { role: 'SILO_ROLE_UNSPECIFIED' }, 'option_invalid'],
    ['a name with capitals', { silo: 'Hospital' }, 'option_invalid'],
    ['too many labels', { labels: Array.from({ length: 4097 }, String) }, 'option_invalid'],
  ])('refuses %s', async (_what, changes, code) => {
    await expect(register(changes)).rejects.toMatchObject({ code });
  });

  it('speaks the newest protocol that both know', async () => {
    expect(await register({ protocolMin: 1, protocolMax: 7 })).toMatchObject({ protocol: 1 });
  });
});
