import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { RunLog, RunLogEntry, RunSummary } from '../../api/types.js';
import { formatTime } from '../lib/format.js';
import { ask, failureOf, type ApiFailure } from '../state/api.js';
import { lastLog } from '../state/live.js';
import { Badge, Card, Empty, Failure, Loading } from '../ui/basics.tsx';
import { List, type Column } from '../ui/list.tsx';

const PAGE = 500;
const LEVELS = ['info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];
const NAMES: Readonly<Record<Level, string>> = { info: 'Everything', warn: 'Warnings', error: 'Errors' };
const TONES: Readonly<Record<Level, string>> = { info: 'calm', warn: 'warn', error: 'bad' };

const COLUMNS: readonly Column<RunLogEntry>[] = [
  { title: 'When', width: '12.5rem', cell: ({ atMs }) => <time>{formatTime(atMs)}</time>, wide: true },
  { title: 'Level', width: '4.5rem', cell: ({ level }) => <Badge tone={TONES[level]}>{level}</Badge> },
  {
    title: 'Round',
    width: '4rem',
    cell: ({ round }) => (round === 0 ? '' : round),
    align: 'right',
    wide: true,
  },
  {
    title: 'What happened',
    width: 'minmax(12rem, 1fr)',
    cell: ({ message, code }) => (
      <span class="one-line" title={message}>
        {message} {code !== '' && <code>{code}</code>}
      </span>
    ),
  },
];

/** The run's log, newest first; what comes while one looks is added on top. */
export function RunEvents({ run }: { readonly run: RunSummary }): JSX.Element {
  const last = lastLog.value?.run === run.id ? lastLog.value.lastSeq : undefined;
  const [level, setLevel] = useState<Level>('info');
  const [entries, setEntries] = useState<readonly RunLogEntry[]>();
  const [failure, setFailure] = useState<ApiFailure>();
  const base = `/runs/${encodeURIComponent(run.id)}/events`;
  const newest = entries?.[0]?.seq ?? 0;
  const oldest = entries?.at(-1)?.seq ?? 0;

  useEffect(() => {
    if (last === undefined || last === newest) return;
    const after = newest > 0 ? newest : Math.max(0, last - PAGE);
    const leave = new AbortController();
    ask<RunLog>(`${base}?after=${after}&limit=1000`, leave.signal).then(
      ({ events }) => {
        setEntries((known = []) => [...[...events].reverse(), ...known]);
        setFailure(undefined);
      },
      (thrown: unknown) => {
        if (!leave.signal.aborted) setFailure(failureOf(thrown));
      },
    );
    return () => leave.abort();
  }, [last, newest, base]);

  const earlier = (): void => {
    const after = Math.max(0, oldest - 1 - PAGE);
    ask<RunLog>(`${base}?after=${after}&limit=${oldest - 1 - after}`).then(
      ({ events }) => setEntries((known = []) => [...known, ...[...events].reverse()]),
      (thrown: unknown) => setFailure(failureOf(thrown)),
    );
  };
  const shown = entries?.filter((entry) => LEVELS.indexOf(entry.level) >= LEVELS.indexOf(level));
  return (
    <Card
      title="Events"
      about="what happened in this run, newest first"
      actions={
        <label class="field inline">
          <span>Show</span>
          <select
            value={level}
            onInput={(event) => setLevel(LEVELS.find((each) => each === event.currentTarget.value) ?? 'info')}
          >
            {LEVELS.map((each) => (
              <option key={each} value={each}>
                {NAMES[each]}
              </option>
            ))}
          </select>
        </label>
      }
    >
      {failure && <Failure failure={failure} />}
      {!shown && !failure && <Loading lines={6} />}
      {shown && (
        <List
          label="events"
          rows={shown}
          columns={COLUMNS}
          keyOf={({ seq }) => seq}
          rowHeight={38}
          narrowRowHeight={60}
          maxRows={16}
          empty={
            <Empty
              icon="check"
              title={level === 'info' ? 'Nothing has happened yet' : 'Nothing of this kind so far'}
            />
          }
        />
      )}
      {oldest > 1 && (
        <p class="more">
          <button type="button" onClick={earlier}>
            Load earlier events
          </button>
        </p>
      )}
    </Card>
  );
}
