import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { AdapterComparison, AdapterVersion, ModuleChange, RunSummary } from '../../api/types.js';
import {
  formatAgo,
  formatBytes,
  formatNumber,
  formatPercent,
  formatTime,
  shortModule,
} from '../lib/format.js';
import { scoresByVersion } from '../lib/merge.js';
import { act, apiPath } from '../state/api.js';
import { series } from '../state/live.js';
import { may, now } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { useText } from '../state/use-text.js';
import { Badge, Card, Facts, Failure, Loading } from '../ui/basics.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { List, type Column } from '../ui/list.tsx';

interface Row extends AdapterVersion {
  readonly accuracy: number | null;
  readonly loss: number | null;
  readonly error: number | null;
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
      {rows.length > 1 && <Compare base={base} newest={run.version} />}
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
  return versions.map((adapter) => ({
    ...adapter,
    accuracy: scores.get(adapter.version)?.accuracy ?? null,
    loss: scores.get(adapter.version)?.loss ?? null,
    error: rounds.get(adapter.version)?.aggregationError ?? null,
    rollbackOf: rounds.get(adapter.version)?.rollbackOf ?? null,
  }));
}

function columns(base: string, run: RunSummary, ask: (asked: Asked) => void): readonly Column<Row>[] {
  return [
    {
      title: 'Version',
      width: 'minmax(6.5rem, 1fr)',
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
      width: '6rem',
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
      cell: ({ error }) => formatPercent(error),
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
      width: 'minmax(8.5rem, max-content)',
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

function Download(props: {
  readonly base: string;
  readonly version: number;
  readonly label: string;
  readonly primary?: boolean;
}): JSX.Element | null {
  if (!may('operator')) return null;
  const { base, version, label, primary } = props;
  return (
    <a
      class={primary === true ? 'button primary' : 'button small bare'}
      href={apiPath(`${base}/adapters/${version}/archive`)}
      download
      aria-label={label}
      title="Download: weights, PEFT configuration, model card"
    >
      <Icon name="download" />
      {primary === true && label}
    </a>
  );
}

function ModelCard(props: {
  readonly base: string;
  readonly version: number;
  readonly close: () => void;
}): JSX.Element {
  const { base, version, close } = props;
  const { text, failure } = useText(`${base}/adapters/${version}/card`);
  return (
    <Dialog title={`Model card of version ${version}`} close={close} wide>
      {failure && <Failure failure={failure} />}
      {text === undefined ? (
        !failure && <Loading />
      ) : (
        <pre class="document" tabIndex={0}>
          {text}
        </pre>
      )}
      <div class="dialog-actions">
        {may('operator') && (
          <a class="button" href={apiPath(`${base}/adapters/${version}/file`)} download>
            Weights only
          </a>
        )}
        <Download base={base} version={version} label="Download all" primary />
      </div>
    </Dialog>
  );
}

const CHANGES: readonly Column<ModuleChange>[] = [
  {
    title: 'Module',
    width: 'minmax(9rem, 3fr)',
    cell: ({ module }) => (
      <span class="name one-line" title={module}>
        {shortModule(module)}
      </span>
    ),
    sort: ({ module }) => module,
  },
  {
    title: 'Distance',
    width: '7rem',
    align: 'right',
    cell: ({ distance }) => formatNumber(distance),
    sort: ({ distance }) => distance,
  },
  {
    title: 'Cosine',
    width: '6rem',
    align: 'right',
    cell: ({ cosine }) => formatNumber(cosine),
    sort: ({ cosine }) => cosine ?? -2,
  },
  {
    title: 'Norm, first',
    width: '7rem',
    align: 'right',
    wide: true,
    cell: ({ normFrom }) => formatNumber(normFrom),
    sort: ({ normFrom }) => normFrom,
  },
  {
    title: 'Norm, second',
    width: '7.5rem',
    align: 'right',
    wide: true,
    cell: ({ normTo }) => formatNumber(normTo),
    sort: ({ normTo }) => normTo,
  },
];

function Compare({ base, newest }: { readonly base: string; readonly newest: number }): JSX.Element {
  const [from, setFrom] = useState(Math.max(0, newest - 1));
  const [to, setTo] = useState(newest);
  const { data, failure } = useLoaded<AdapterComparison>(`${base}/compare?from=${from}&to=${to}`);
  const pick = (label: string, value: number, set: (value: number) => void): JSX.Element => (
    <label class="field inline">
      <span>{label}</span>
      <input
        type="number"
        min={0}
        max={newest}
        value={value}
        onInput={(event) => {
          const wanted = event.currentTarget.valueAsNumber;
          if (Number.isInteger(wanted) && wanted >= 0 && wanted <= newest) set(wanted);
        }}
      />
    </label>
  );
  return (
    <Card
      title="Compare two versions"
      about="how far their updates B · A lie apart, module by module"
      actions={
        <div class="actions">
          {pick('Version', from, setFrom)}
          {pick('with', to, setTo)}
        </div>
      }
    >
      {failure && <Failure failure={failure} />}
      {!data && !failure && <Loading />}
      {data && (
        <>
          <Facts
            facts={[
              ['Distance', formatNumber(data.total.distance)],
              ['Cosine', formatNumber(data.total.cosine)],
              [`Norm of version ${data.from.version}`, formatNumber(data.total.normFrom)],
              [`Norm of version ${data.to.version}`, formatNumber(data.total.normTo)],
              ['Size', formatBytes(data.to.bytes)],
            ]}
          />
          <List
            label="difference by module"
            rows={data.modules}
            columns={CHANGES}
            keyOf={({ module }) => module}
            sortedBy="Distance"
            descending
            maxRows={8}
            rowHeight={36}
          />
        </>
      )}
    </Card>
  );
}
