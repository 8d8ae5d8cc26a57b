import { useEffect, useState } from 'preact/hooks';
import { askText, failureOf, type ApiFailure } from './api.js';

/** A text of the API. */
export function useText(path: string): {
  readonly text: string | undefined;
  readonly failure: ApiFailure | undefined;
} {
  const [text, setText] = useState<string>();
  const [failure, setFailure] = useState<ApiFailure>();
  useEffect(() => {
    askText(path).then(setText, (thrown: unknown) => setFailure(failureOf(thrown)));
  }, [path]);
  return { text, failure };
}
