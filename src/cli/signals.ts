import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
export type EndSignal = (typeof SIGNALS)[number];

/** What a shell reports for a process that a signal ended. */
export const exitCodeOf = (signal: EndSignal): number => 128 + constants.signals[signal];

export interface EndSignals {
  /** Resolves with the first SIGINT or SIGTERM; the second one ends the process at once. */
  readonly first: Promise<EndSignal>;
  /** Aborts with the first signal. */
  readonly signal: AbortSignal;
  /** Leaves signals to Node again. */
  release(): void;
}

/** Takes over SIGINT and SIGTERM until released, so that a command can end in order. */
export function endSignals(): EndSignals {
  const controller = new AbortController();
  let resolveFirst: (signal: EndSignal) => void = () => undefined;
  const first = new Promise<EndSignal>((resolve) => {
    resolveFirst = resolve;
  });
  const handlers = SIGNALS.map((name) => {
    const handler = (): void => {
      if (controller.signal.aborted) process.exit(exitCodeOf(name));
      controller.abort();
      resolveFirst(name);
    };
    process.on(name, handler);
    return { name, handler };
  });
  return {
    first,
    signal: controller.signal,
    release: () => handlers.forEach(({ name, handler }) => process.off(name, handler)),
  };
}
