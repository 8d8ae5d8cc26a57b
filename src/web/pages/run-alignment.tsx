import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RoundDetail, RoundModule, RoundPoint } from '../../api/rounds.js';
import type { RunSummary } from '../../api/types.js';
import { formatNumber, formatPercent, shortModule } from '../lib/format.js';
import { knownPoints, pendingRounds } from '../lib/measured.js';
import { series } from '../state/live.js';
import { useLoaded } from '../state/use-loaded.js';
import { Card, Empty, Failure, Loading } from '../ui/basics.tsx';
import { HeatMap } from '../ui/heat-map.tsx';
import { LineChart } from '../ui/line-chart.tsx';
import { List, type Column } from '../ui/list.tsx';
import { ErrorChart } from './error-chart.tsx';
import { RoundUpdates } from './round-updates.tsx';

/** How the silos' bases lie to each other, and what alignment made of it. */
export function RunAlignment({ run }: { readonly run: RunSummary }): JSX.Element {
  const rounds = (series.value?.run === run.id ? series.value.rounds : []).filter(
    ({ rollbackOf }) => rollbackOf === null,
  );
  const [chosen, setChosen] = useState<number>();
  const shown = rounds.find((point) => point.round === chosen) ?? rounds.at(-1);
  const round = shown?.round;
  // Asked for again when its diagnostics have come.
  const { data, failure, reload } = useLoaded<RoundDetail>(
    round === undefined ? undefined : `/runs/${encodeURIComponent(run.id)}/rounds/${round}`,
    shown?.diagnosis,
  );
  if (round === undefined)
    return (
      <Card>
        <Empty icon="runs" title="No round is published yet">
          <p>When the first one is, this page shows how far each silo’s basis is turned, module by module.</p>
        </Empty>
      </Card>
    );
  const index = rounds.findIndex((point) => point.round === round);
  return (
    <>
      <Card
        title={`Misalignment in round ${round}`}
        about="how far each silo’s basis is turned from the round’s reference: 0 not at all, 1 opposite"
        actions={
          <label class="slider">
            <span>Round</span>
            <input
              type="range"
              min={0}
              max={rounds.length - 1}
              value={index}
              aria-valuetext={`round ${round}`}
              onInput={(event) => {
                const at = Number(event.currentTarget.value);
                setChosen(at === rounds.length - 1 ? undefined : rounds[at]?.round);
              }}
            />
            <output>{round}</output>
          </label>
        }
      >
        {failure && <Failure failure={failure} retry={reload} />}
        {!data && !failure && <Loading lines={6} />}
        {data && <Matrix detail={data} />}
      </Card>
      {data && <RoundUpdates round={round} updates={data.updates} />}
      <div class="charts two">
        <LineChart
          title="Mean misalignment"
          about="over modules and silos"
          lines={[
            {
              name: 'misalignment',
              colour: 4,
              points: knownPoints(
                rounds,
                (point) => point.round,
                ({ misalignment }) => misalignment,
              ),
            },
          ]}
          pending={pendingRounds(rounds)}
          xLabel="round"
          yLabel="0 to 1"
          include={[0]}
          format={formatNumber}
          empty="This method does not measure it."
        />
        <ErrorChart rounds={rounds} />
      </div>
    </>
  );
}

const COLUMNS: readonly Column<RoundModule>[] = [
  {
    title: 'Module',
    width: 'minmax(9rem, 3fr)',
    cell: ({ module }) => (
      <span class="name one-line" title={module}>
        {module}
      </span>
    ),
    sort: ({ module }) => module,
  },
  ratioColumn('This run', ({ aggregationError }) => aggregationError),
  ratioColumn('Plain', ({ aggregationErrorFedit }) => aggregationErrorFedit),
  ratioColumn('Best', ({ aggregationErrorBound }) => aggregationErrorBound, true),
];

function ratioColumn(
  title: string,
  value: (row: RoundModule) => number | null,
  wide = false,
): Column<RoundModule> {
  return {
    title,
    width: 'minmax(4.4rem, 6rem)',
    align: 'right',
    wide,
    cell: (row) => formatPercent(value(row)),
    sort: (row) => value(row) ?? -1,
  };
}

const WHY_NOT: Readonly<Record<RoundPoint['diagnosis'], readonly [title: string, text: string]>> = {
  pending: [
    'Being computed',
    'Its adapter is published already; how far the bases are turned follows by itself.',
  ],
  failed: [
    'This round could not be measured',
    'Its adapter is published all the same. The run’s log says why.',
  ],
  done: ['Nothing was measured in this round', 'Only rounds whose method compares bases have it.'],
  none: ['Nothing was measured in this round', 'An older version was published again.'],
};

function NoMatrix({ diagnosis }: Pick<RoundPoint, 'diagnosis'>): JSX.Element {
  const [title, text] = WHY_NOT[diagnosis];
  return (
    <Empty icon="info" title={title}>
      <p>{text}</p>
    </Empty>
  );
}

function Matrix({ detail }: { readonly detail: RoundDetail }): JSX.Element {
  const { modules, silos, point } = detail;
  if (modules.length === 0 || silos.length === 0) return <NoMatrix {...point} />;
  return (
    <>
      <HeatMap
        label="Misalignment"
        rows={modules.map(({ module }) => module)}
        columns={silos}
        values={modules.map(({ misalignment }) => misalignment)}
        format={formatNumber}
        rowName={shortModule}
      />
      <h3 class="sub">Aggregation error by module</h3>
      <List
        label="aggregation error by module"
        rows={modules}
        columns={COLUMNS}
        keyOf={({ module }) => module}
        maxRows={8}
        rowHeight={36}
        sortedBy="This run"
        descending
      />
    </>
  );
}
