import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { AdapterVersion, RunSummary } from '../../api/types.js';
import { formatAgo, formatNumber, formatPercent, formatTime } from '../lib/format.js';
import { BEING_COMPUTED, pendingRounds } from '../lib/measured.js';
import { scoresByVersion } from '../lib/merge.js';
import { act } from '../state/api.js';
import { series } from '../state/live.js';
import { may, now } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { Badge, Card, Failure, Loading } from '../ui/basics.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { List, type Column } from '../ui/list.tsx';
import { Download, ModelCard } from './adapter-card.tsx';
import { CompareVersions } from './adapter-compare.tsx';

interface Row extends AdapterVersion {
  readonly accuracy: number | null;
  readonly loss: number | null;
  readonly error: number | null;
  /** Its error is not known yet. */
  readonly isPending: boolean;
  readonly rollbackOf: number | null;
}

interface Asked {
  readonly what: 'card' | 'rollback';
  readonly version: number;
}

/** Every published version: to take along, to read about, to compare, to go back to. */
export function RunAdapters({ run }: { readonly run: RunSummary }): JSX.Element {
  const base = `/runs/${encodeURIComponent(run.id)}`;
  const { data, failure, reload } = useLoaded<readonly AdapterVersion[]>(`${base}/adapters`, run.version);
  const [asked, setAsked] = useState<Asked>();
  if (failure) return <Failure failure={failure} retry={reload} />;
  if (!data) return <Loading lines={6} />;
  const rows = rowsOf(data, run.id);
  const close = (): void => setAsked(undefined);
  return (
    <>
      <Card
        title="Published versions"
        about="each is one immutable file, named by its SHA-256; version 0 is what the run began with"
        actions={
          <Download base={base} version={run.version} label={`Download version ${run.version}`} primary />
        }
      >
        <List
          label="adapter versions"
          rows={rows}
          columns={columns(base, run, setAsked)}
          keyOf={({ version }) => version}
          sortedBy="Version"
          descending
          maxRows={10}
        />
      </Card>
      {rows.length > 1 && <CompareVersions base={base} newest={run.version} />}
      {asked?.what === 'card' && <ModelCard base={base} version={asked.version} close={close} />}
      {asked?.what === 'rollback' && (
        <Confirm
          title={`Roll back to version ${asked.version}?`}
          action={`Publish version ${asked.version} again`}
          reason
          act={(reason) => act(`${base}/rollback`, { version: asked.version, reason })}
          close={close}
        >
          <p>
            Its factors are published as version {run.version + 1}, which the next round starts from. An open
            round is called off. Nothing is deleted.
          </p>
        </Confirm>
      )}
    </>
  );
}

function rowsOf(versions: readonly AdapterVersion[], run: string): readonly Row[] {
  const known = series.value?.run === run ? series.value : null;
  const scores = new Map(scoresByVersion(known?.evaluations ?? []).map((score) => [score.version, score]));
  const rounds = new Map((known?.rounds ?? []).map((point) => [point.round, point]));
  const pending = new Set(pendingRounds(known?.rounds ?? []));
  return versions.map((adapter) => ({
    ...adapter,
    accuracy: scores.get(adapter.version)?.accuracy ?? null,
    loss: scores.get(adapter.version)?.loss ?? null,
    error: rounds.get(adapter.version)?.aggregationError ?? null,
    isPending: pending.has(adapter.version),
    rollbackOf: rounds.get(adapter.version)?.rollbackOf ?? null,
  }));
}

function columns(base: string, run: RunSummary, ask: (asked: Asked) => void): readonly Column<Row>[] {
  return [
    {
      title: 'Version',
      width: 'minmax(6rem, 1fr)',
      cell: ({ version, rollbackOf }) => (
        <>
          <b>{version}</b> {version === run.version && <Badge tone="live">newest</Badge>}
          {rollbackOf !== null && <Badge tone="warn">again {rollbackOf}</Badge>}
        </>
      ),
      sort: ({ version }) => version,
    },
    {
      title: 'Accuracy',
      width: '5rem',
      align: 'right',
      cell: ({ accuracy }) => formatPercent(accuracy),
      sort: ({ accuracy }) => accuracy ?? -1,
    },
    {
      title: 'Loss',
      width: '6rem',
      align: 'right',
      wide: true,
      cell: ({ loss }) => formatNumber(loss),
      sort: ({ loss }) => loss ?? Infinity,
    },
    {
      title: 'Error',
      width: '5.5rem',
      align: 'right',
      wide: true,
      cell: ({ error, isPending }) =>
        isPending ? <span class="quiet small-text">{BEING_COMPUTED}</span> : formatPercent(error),
      sort: ({ error }) => error ?? Infinity,
    },
    {
      title: 'Published',
      width: '7rem',
      wide: true,
      cell: ({ createdMs }) => <span title={formatTime(createdMs)}>{formatAgo(createdMs, now.value)}</span>,
    },
    {
      title: 'SHA-256',
      width: '7.5rem',
      wide: true,
      cell: ({ sha256 }) => <code title={sha256}>{sha256.slice(0, 10)}…</code>,
    },
    {
      title: 'Actions',
      width: '7.4rem',
      align: 'right',
      cell: ({ version }) => (
        <span class="row-actions">
          <button
            type="button"
            class="small bare"
            aria-label={`Model card of version ${version}`}
            title="Model card"
            onClick={() => ask({ what: 'card', version })}
          >
            <Icon name="card" />
          </button>
          {may('operator') && version < run.version && (
            <button
              type="button"
              class="small bare"
              aria-label={`Roll back to version ${version}`}
              title="Roll back"
              onClick={() => ask({ what: 'rollback', version })}
            >
              <Icon name="back" />
            </button>
          )}
          <Download base={base} version={version} label={`Download version ${version}`} />
        </span>
      ),
    },
  ];
}
