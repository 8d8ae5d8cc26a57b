import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RunDetail, RunSummary } from '../../api/types.js';
import { formatTime } from '../lib/format.js';
import { RUN_TABS, runPath, type RunTab } from '../lib/route.js';
import { act } from '../state/api.js';
import { runs } from '../state/live.js';
import { may } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { Badge, Failure, Loading, PageHead, RunBadge } from '../ui/basics.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { RunAdapters } from './run-adapters.tsx';
import { RunAlignment } from './run-alignment.tsx';
import { RunEvents } from './run-events.tsx';
import { RunOverview } from './run-overview.tsx';
import { RunSpecification } from './run-specification.tsx';

const TITLES: Readonly<Record<RunTab, string>> = {
  overview: 'Overview',
  alignment: 'Alignment',
  adapters: 'Adapters',
  events: 'Events',
  specification: 'Specification',
};

export function RunPage({ run: id, tab }: { readonly run: string; readonly tab: RunTab }): JSX.Element {
  const live = runs.value?.find((run) => run.id === id);
  const loaded = useLoaded<RunDetail>(`/runs/${encodeURIComponent(id)}`);
  const summary = live ?? loaded.data?.summary;
  if (summary === undefined || loaded.data === undefined)
    return (
      <>
        <PageHead title={id} />
        {loaded.failure ? <Failure failure={loaded.failure} retry={loaded.reload} /> : <Loading lines={6} />}
      </>
    );
  const { spec } = loaded.data;
  return (
    <>
      <PageHead
        title={id}
        badge={
          <>
            <RunBadge state={summary.state} />
            {summary.paused && summary.state !== 'paused' && <Badge tone="warn">pausing</Badge>}
          </>
        }
        about={`${summary.method} · ${summary.task} · started ${formatTime(summary.createdMs)}`}
      >
        {may('operator') && <Actions run={summary} />}
      </PageHead>
      <nav class="tabs" aria-label={`Pages of ${id}`}>
        {RUN_TABS.map((each) => (
          <a key={each} href={runPath(id, each)} aria-current={each === tab ? 'page' : undefined}>
            {TITLES[each]}
          </a>
        ))}
      </nav>
      {tab === 'overview' && <RunOverview run={summary} />}
      {tab === 'alignment' && <RunAlignment run={summary} />}
      {tab === 'adapters' && <RunAdapters run={summary} />}
      {tab === 'events' && <RunEvents run={summary} />}
      {tab === 'specification' && <RunSpecification spec={spec} />}
    </>
  );
}

function Actions({ run }: { readonly run: RunSummary }): JSX.Element | null {
  const [asked, setAsked] = useState<'pause' | 'stop'>();
  const [hold, setHold] = useState(false);
  if (run.phase === 'done') return null;
  const path = `/runs/${encodeURIComponent(run.id)}`;
  const close = (): void => setAsked(undefined);
  return (
    <>
      {run.paused ? (
        <button type="button" onClick={() => void act(`${path}/resume`)}>
          <Icon name="play" />
          Resume
        </button>
      ) : (
        <button type="button" onClick={() => setAsked('pause')}>
          <Icon name="pause" />
          Pause
        </button>
      )}
      <button type="button" class="danger" onClick={() => setAsked('stop')}>
        <Icon name="stop" />
        Stop
      </button>
      {asked === 'pause' && (
        <Confirm
          title={`Pause ${run.id}`}
          action="Pause"
          reason
          act={(reason) => act(`${path}/pause`, { reason, hold })}
          close={close}
        >
          <p>No new round begins until you resume. The run stays paused over a restart of the coordinator.</p>
          <label class="check">
            <input type="checkbox" checked={hold} onInput={(event) => setHold(event.currentTarget.checked)} />
            Hold the open round too: its deadline stands still
          </label>
        </Confirm>
      )}
      {asked === 'stop' && (
        <Confirm
          title={`Stop ${run.id} for good?`}
          action="Stop the run"
          tone="danger"
          reason
          act={(reason) => act(`${path}/stop`, { reason })}
          close={close}
        >
          <p>
            The open round is called off and the run ends. Its {run.version} published version
            {run.version === 1 ? '' : 's'} stay. To go on later, pause it instead.
          </p>
        </Confirm>
      )}
    </>
  );
}
