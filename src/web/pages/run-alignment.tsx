import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RoundDetail, RoundModule, RoundPoint, RunSummary } from '../../api/types.js';
import { formatNumber, formatPercent, shortModule } from '../lib/format.js';
import { series } from '../state/live.js';
import { useLoaded } from '../state/use-loaded.js';
import { Card, Empty, Failure, Loading } from '../ui/basics.tsx';
import { HeatMap } from '../ui/heat-map.tsx';
import { LineChart } from '../ui/line-chart.tsx';
import { List, type Column } from '../ui/list.tsx';
import { ErrorChart } from './error-chart.tsx';

/** How the silos' bases lie to each other, and what alignment made of it. */
export function RunAlignment({ run }: { readonly run: RunSummary }): JSX.Element {
  const rounds = (series.value?.run === run.id ? series.value.rounds : []).filter(
    ({ rollbackOf }) => rollbackOf === null,
  );
  const [chosen, setChosen] = useState<number>();
  const newest = rounds.at(-1)?.round;
  const round = chosen ?? newest;
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
        <Matrix run={run.id} round={round} diagnosis={rounds[index]?.diagnosis} />
      </Card>
      <div class="charts two">
        <LineChart
          title="Mean misalignment"
          about="over modules and silos"
          lines={[
            {
              name: 'misalignment',
              colour: 4,
              points: rounds.flatMap(({ round: x, misalignment }): [number, number][] =>
                misalignment === null ? [] : [[x, misalignment]],
              ),
            },
          ]}
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
    width: '6rem',
    align: 'right',
    wide,
    cell: (row) => formatPercent(value(row)),
    sort: (row) => value(row) ?? -1,
  };
}

function Matrix({
  run,
  round,
  diagnosis,
}: {
  readonly run: string;
  readonly round: number;
  readonly diagnosis: RoundPoint['diagnosis'] | undefined;
}): JSX.Element {
  const { data, failure, reload } = useLoaded<RoundDetail>(
    `/runs/${encodeURIComponent(run)}/rounds/${round}`,
    diagnosis,
  );
  if (failure) return <Failure failure={failure} retry={reload} />;
  if (!data) return <Loading lines={6} />;
  const { modules, silos, point } = data;
  if (point.diagnosis === 'pending')
    return (
      <Empty icon="info" title="This round is being measured">
        <p>Its adapter is published. Errors and misalignment follow as soon as the coordinator has time.</p>
      </Empty>
    );
  if (point.diagnosis === 'failed')
    return (
      <Empty icon="info" title="This round could not be measured">
        <p>Its adapter is published all the same. The run’s log says why.</p>
      </Empty>
    );
  if (modules.length === 0 || silos.length === 0)
    return (
      <Empty icon="info" title="Nothing was measured in this round">
        <p>Only rounds whose method compares bases have it.</p>
      </Empty>
    );
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
