import type { JSX } from 'preact';
import type { RunSummary } from '../../api/types.js';
import { formatAgo, formatDuration, plural } from '../lib/format.js';
import { runPath } from '../lib/route.js';
import { runs, silos } from '../state/live.js';
import { may, now, session } from '../state/session.js';
import { Card, Empty, Loading, PageHead, Progress, RunBadge } from '../ui/basics.tsx';
import { Icon } from '../ui/icon.tsx';
import { List, type Column } from '../ui/list.tsx';

const OVER: ReadonlySet<string> = new Set(['finished', 'stopped', 'failed']);

/** Every run: those that go on as cards, all of them as a list. */
export function RunsPage(): JSX.Element {
  const known = runs.value;
  const open = known?.filter(({ state }) => !OVER.has(state)) ?? [];
  return (
    <>
      <PageHead title="Runs" about={about(open.length)}>
        {may('operator') && (
          <a class="button primary" href="/start">
            <Icon name="plus" />
            Start a run
          </a>
        )}
      </PageHead>
      {known === null && <Loading lines={5} />}
      {known?.length === 0 && <NoRuns />}
      {open.length > 0 && (
        <div class="run-cards">
          {open.slice(0, 4).map((run) => (
            <RunCard key={run.id} run={run} />
          ))}
        </div>
      )}
      {known && known.length > 0 && (
        <Card title="All runs">
          <List
            label="runs"
            rows={known}
            columns={COLUMNS}
            keyOf={({ id }) => id}
            sortedBy="Started"
            descending
          />
        </Card>
      )}
    </>
  );
}

function about(open: number): string {
  const there = silos.value;
  const connected = there === null ? '' : ` · ${there.connected} of ${plural(there.known, 'silo')} connected`;
  return `${open === 0 ? 'Nothing is running' : `${plural(open, 'run')} under way`}${connected}`;
}

function NoRuns(): JSX.Element {
  const port = session.value?.grpcPort ?? 9470;
  return (
    <Card>
      <Empty icon="runs" title="No run has been started yet">
        <p>
          Push a bundle (the base model) with{' '}
          <code>
            fedrot bundle push FOLDER --coordinator {location.hostname}:{port}
          </code>
          , connect <a href="/silos">silos</a>, then start a run{may('operator') ? ' here' : ''} or with{' '}
          <code>fedrot run create</code>.
        </p>
        {may('operator') && (
          <a class="button primary" href="/start">
            Start a run
          </a>
        )}
      </Empty>
    </Card>
  );
}

export function phaseText(run: RunSummary, nowMs: number): string {
  const { phase, dueMs, reason, tasks, state } = run;
  const left = dueMs > nowMs ? formatDuration(dueMs - nowMs) : '';
  if (state === 'paused') return reason === '' ? 'Paused' : `Paused: ${reason}`;
  switch (phase) {
    case 'waiting':
      return left === '' ? reason || 'Waiting for silos' : `${reason || 'Resting'}; next try in ${left}`;
    case 'collecting':
      return `Silos train: ${tasks.done} of ${tasks.done + tasks.working} updates in${left === '' ? '' : `, ${left} left`}`;
    case 'aggregating':
      return left === '' ? 'Aligning and averaging' : `Aggregation is tried again in ${left}`;
    case 'evaluating':
      return `Evaluators score version ${run.version}`;
    case 'done':
      return reason === '' ? 'Done' : reason;
  }
}

function RunCard({ run }: { readonly run: RunSummary }): JSX.Element {
  return (
    <a class="card run-card" href={runPath(run.id)}>
      <div class="run-card-head">
        <h2>{run.id}</h2>
        <RunBadge state={run.state} />
      </div>
      <p class="big">
        {run.round} <span class="quiet">of {plural(run.rounds, 'round')}</span>
      </p>
      <Progress value={run.version} max={run.rounds} label={`rounds of ${run.id}`} />
      <p class="quiet one-line">{phaseText(run, now.value)}</p>
    </a>
  );
}

const COLUMNS: readonly Column<RunSummary>[] = [
  {
    title: 'Run',
    width: 'minmax(9rem, 2fr)',
    cell: ({ id }) => (
      <a class="name" href={runPath(id)}>
        {id}
      </a>
    ),
    sort: ({ id }) => id,
  },
  {
    title: 'State',
    width: '7rem',
    cell: ({ state }) => <RunBadge state={state} />,
    sort: ({ state }) => state,
  },
  {
    title: 'Rounds',
    width: 'minmax(6rem, 1fr)',
    cell: ({ version, rounds, id }) => (
      <div class="cell-progress">
        <span>
          {version} / {rounds}
        </span>
        <Progress value={version} max={rounds} label={`rounds of ${id}`} />
      </div>
    ),
    sort: ({ version, rounds }) => version / rounds,
  },
  { title: 'Method', width: '7rem', cell: ({ method }) => method, sort: ({ method }) => method, wide: true },
  {
    title: 'Task',
    width: 'minmax(8rem, 1fr)',
    cell: ({ task }) => task,
    sort: ({ task }) => task,
    wide: true,
  },
  {
    title: 'Started',
    width: '7rem',
    cell: ({ createdMs }) => formatAgo(createdMs, now.value),
    sort: ({ createdMs }) => createdMs,
    align: 'right',
    wide: true,
  },
];
