import type { OpenSession } from '../client/training/session-cache.js';
import { openInlineSession } from '../train/inline-session.js';
import type { TrainSession } from '../train/session-types.js';
import type { OpenStore } from '../train/graph-runner.js';

/** More are closed again, the one that was asked for longest ago first. */
const MOST = 6;

/**
 * Opens sessions in this thread and keeps them for the next trial that wants the same: closing one does nothing, the pool does it.
 * Methods that train one factor after the other then need not build a graph every round.
 */
export class SessionPool {
  readonly #sessions = new Map<string, TrainSession>();

  /** `key`: what sessions are told apart by beside their options; `openStore`: their cached activations. */
  opener(key: string, openStore: OpenStore): OpenSession {
    return async (options) => {
      const name = JSON.stringify([key, options]);
      let session = this.#sessions.get(name);
      this.#sessions.delete(name);
      session ??= await openInlineSession(
        { ...options, prepacking: true, prefixCache: { memoryBytes: 0 } },
        openStore,
      );
      this.#sessions.set(name, session);
      for (const [oldest, old] of this.#sessions) {
        if (this.#sessions.size <= MOST) break;
        this.#sessions.delete(oldest);
        await old.close();
      }
      return { ...session, close: () => Promise.resolve() };
    };
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await session.close();
    this.#sessions.clear();
  }
}
