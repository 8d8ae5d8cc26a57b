import { useEffect, useState } from 'preact/hooks';
import type { BundleView, RunCheck } from '../../api/types.js';
import type { RunForm } from '../lib/run-fields.js';
import { issuesOf, specOfForm, type Issue } from '../lib/run-form.js';
import { act, failureOf } from './api.js';
import { runs } from './live.js';

const CHECK_AFTER_MS = 400;

/** Version that a run begins with: the newest of another. */
export function initialOf(from: string): { run: string; version: number } | undefined {
  const run = runs.value?.find(({ id }) => id === from);
  return run && { run: run.id, version: run.version };
}

/** Complaints about the form: the schema's at once, the coordinator's when the typing has stopped. */
export function useRunCheck(
  form: RunForm,
  bundle: BundleView | undefined,
  from: string,
): { issues: readonly Issue[]; check: RunCheck | undefined } {
  const [issues, setIssues] = useState<readonly Issue[]>([]);
  const [check, setCheck] = useState<RunCheck>();
  useEffect(() => {
    const leave = new AbortController();
    const isOver = (): boolean => leave.signal.aborted;
    setCheck(undefined);
    const look = async (): Promise<void> => {
      let spec: Record<string, unknown>;
      try {
        spec = specOfForm(form, bundle);
      } catch {
        setIssues([{ path: '', message: 'what is below “Everything else” is no JSON' }]);
        return;
      }
      const found = await issuesOf(spec);
      if (isOver()) return;
      setIssues(found);
      if (found.some(({ path }) => path !== 'name')) return;
      await new Promise((resolve) => setTimeout(resolve, CHECK_AFTER_MS));
      const initial = initialOf(from);
      if (isOver()) return;
      const answer = await act<RunCheck>('/runs/check', {
        // What a run takes does not hang on its name.
        spec: found.length > 0 ? { ...spec, name: 'unnamed' } : spec,
        ...(initial && { initial }),
      });
      if (isOver()) return;
      setIssues([...found, ...answer.issues]);
      setCheck(answer);
    };
    look().catch((thrown: unknown) => {
      if (!isOver()) setIssues([{ path: '', message: failureOf(thrown).message }]);
    });
    return () => leave.abort();
  }, [form, bundle, from]);
  return { issues, check };
}
