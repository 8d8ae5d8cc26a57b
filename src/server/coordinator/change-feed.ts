/** Tells watchers that something about a run is new. Watchers that are slow miss nothing: they look at the run as it is then. */
export class ChangeFeed {
  readonly #watchers = new Map<string, Set<() => void>>();
  #closed = false;

  notify(runId: string): void {
    for (const wake of this.#watchers.get(runId) ?? []) wake();
  }

  /** Yields at once, and again after every change, until the caller leaves or the feed closes. */
  async *watch(runId: string, signal: AbortSignal): AsyncGenerator<void, void, undefined> {
    let changed = true;
    let wake: () => void = () => undefined;
    const onChange = (): void => {
      changed = true;
      wake();
    };
    const watchers = this.#watchers.get(runId) ?? new Set();
    this.#watchers.set(runId, watchers.add(onChange));
    signal.addEventListener('abort', onChange, { once: true });
    try {
      while (!signal.aborted && !this.#closed) {
        if (isSet(changed)) {
          changed = false;
          yield;
        } else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      signal.removeEventListener('abort', onChange);
      watchers.delete(onChange);
    }
  }

  close(): void {
    this.#closed = true;
    for (const runId of this.#watchers.keys()) this.notify(runId);
  }
}

/** Keeps the compiler from believing that a flag set by a callback is constant. */
function isSet(flag: boolean): boolean {
  return flag;
}
