import { useCallback, useEffect, useState } from 'preact/hooks';
import { ask, failureOf, type ApiFailure } from './api.js';

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly failure: ApiFailure | undefined;
  readonly reload: () => void;
}

/** Asks for `path`, and again whenever `revision` changes; what is there stays until the new is. Undefined: asks for nothing. */
export function useLoaded<T>(path: string | undefined, revision: unknown = 0): Loaded<T> {
  const [state, setState] = useState<{ path?: string; data?: T; failure?: ApiFailure }>({});
  const [again, setAgain] = useState(0);
  useEffect(() => {
    if (path === undefined) return;
    const leave = new AbortController();
    ask<T>(path, leave.signal).then(
      (data) => setState({ path, data }),
      (thrown: unknown) => {
        if (!leave.signal.aborted)
          setState((before) => ({ ...(before.path === path && before), path, failure: failureOf(thrown) }));
      },
    );
    return () => leave.abort();
  }, [path, revision, again]);
  const reload = useCallback(() => setAgain((count) => count + 1), []);
  const isCurrent = state.path === path;
  return {
    data: isCurrent ? state.data : undefined,
    failure: isCurrent ? state.failure : undefined,
    reload,
  };
}
