import { describe, expect, it } from 'vitest';
import type { StreamEvents } from '../../../src/api/types.js';
import { Changes } from '../../../src/server/http/live.js';
import { createRun, factors, specOf } from '../support/harness.js';
import { HttpWorld } from './support.js';

type Event = { [K in keyof StreamEvents]: { event: K; data: StreamEvents[K] } }[keyof StreamEvents];

/** The events of a stream, one after the other. */
async function* events(world: HttpWorld, query: string, signal: AbortSignal): AsyncGenerator<Event> {
  const response = await fetch(`${world.origin}/api/v1/stream${query}`, { signal });
  if (!response.body) throw new Error('no stream');
  let text = '';
  const decoder = new TextDecoder();
  for await (const part of response.body) {
    text += decoder.decode(part as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string): string =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      if (field('event') !== '')
        yield { event: field('event'), data: JSON.parse(field('data')) as unknown } as Event;
    }
  }
}

describe('the stream of events', () => {
  it('tells a page what happens in a run, and only what is new', async () => {
    const world = await HttpWorld.start();
    await world.pushBundle();
    const silos = [await world.join('a'), await world.join('b')];
    const runId = await createRun(
      world.coordinator.admin,
      specOf({ rounds: { count: 1, minSilos: 2, deadlineMs: 60_000 } }),
    );
    const leave = new AbortController();
    const seen: Event[] = [];
    for await (const event of events(world, `?run=${runId}`, leave.signal)) {
      seen.push(event);
      if (event.event === 'tasks' && event.data.whole)
        for (const [index, silo] of silos.entries()) void silo.submit(await silo.task(1), factors(3 + index));
      if (event.event === 'series' && event.data.rounds.length > 0) break;
    }
    leave.abort();
    expect(seen.slice(0, 5).map(({ event }) => event)).toEqual(['hello', 'runs', 'silos', 'tasks', 'log']);
    expect(seen[2]?.data).toMatchObject({ connected: 2, trainers: 2, known: 2 });
    expect(seen[3]?.data).toMatchObject({ round: 1, whole: true, changed: [{ silo: 'a' }, { silo: 'b' }] });
    const last = seen.at(-1);
    expect(last?.data).toMatchObject({ run: runId, whole: false, rounds: [{ round: 1, updates: 2 }] });
  });

  it('ends when the coordinator drains, so that it can stop', async () => {
    const world = await HttpWorld.start();
    const stream = events(world, '', new AbortController().signal);
    expect((await stream.next()).value).toMatchObject({ event: 'hello' });
    await world.coordinator.close();
    const rest = async (): Promise<void> => {
      for await (const _event of stream) continue;
    };
    await rest().catch(() => undefined);
  });

  it('knows no run that is not there', async () => {
    const world = await HttpWorld.start();
    expect((await world.ask('/api/v1/stream?run=none')).status).toBe(404);
  });
});

describe('what is new in a list', () => {
  it('is what was added or changed; all of it where something has gone', () => {
    const changes = new Changes<{ id: string; n: number }>(({ id }) => id);
    const [a, b] = [
      { id: 'a', n: 1 },
      { id: 'b', n: 1 },
    ];
    expect(changes.take([a, b])).toEqual({ changed: [a, b], whole: false });
    expect(changes.take([a, { ...b, n: 2 }])).toEqual({ changed: [{ ...b, n: 2 }], whole: false });
    expect(changes.take([a])).toEqual({ changed: [a], whole: true });
    expect(changes.take([a])).toEqual({ changed: [], whole: false });
  });
});
