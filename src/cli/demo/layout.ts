import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FedrotError } from '../../errors.js';

/** Written first, so that a later demo may replace what this one made, and nothing else. */
const MARKER = '.fedrot-demo';

/** Where the demo puts what. */
export interface DemoLayout {
  readonly out: string;
  readonly logs: string;
  /** Configuration and data of each process, as its administrator would write them. */
  readonly silos: string;
  /** What the processes store; removed at the end. */
  readonly state: string;
  readonly adapter: string;
  readonly summary: string;
  readonly report: string;
}

/**
 * Makes the demo's folder ready: a new one, an empty one, or one of an earlier demo, which is emptied. Throws
 * already_exists for a folder that holds anything else.
 */
export function prepareFolder(folder: string): DemoLayout {
  const out = resolve(folder);
  const layout: DemoLayout = {
    out,
    logs: join(out, 'logs'),
    silos: join(out, 'silos'),
    state: join(out, 'state'),
    adapter: join(out, 'adapter'),
    summary: join(out, 'summary.json'),
    report: join(out, 'report.html'),
  };
  const { logs, silos, state, adapter, summary, report } = layout;
  const ours = existsSync(join(out, MARKER));
  if (!ours && existsSync(out) && readdirSync(out).length > 0)
    throw new FedrotError(
      'already_exists',
      `${folder}: holds files that no demo made; name another folder with --out`,
    );
  for (const path of [logs, silos, state, adapter, summary, report])
    rmSync(path, { recursive: true, force: true });
  for (const path of [out, logs, silos, state]) mkdirSync(path, { recursive: true });
  writeFileSync(join(out, MARKER), 'made by `fedrot demo`, which may empty this folder\n');
  return layout;
}
