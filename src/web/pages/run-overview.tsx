import type { JSX } from 'preact';
import type { Phase, RunSummary, SiloTask, TaskStateName } from '../../api/types.js';
import { formatCount, formatDuration, formatNumber, formatPercent } from '../lib/format.js';
import { knownPoints } from '../lib/measured.js';
import { scoresByVersion } from '../lib/merge.js';
import { series, tasks } from '../state/live.js';
import { now } from '../state/session.js';
import { Badge, Card, Empty, Progress } from '../ui/basics.tsx';
import { LineChart } from '../ui/line-chart.tsx';
import { List, type Column } from '../ui/list.tsx';
import { ErrorChart } from './error-chart.tsx';
import { phaseText } from './runs.tsx';

/** The run at a glance: where it is, what silos do now, and whether it gets better. */
export function RunOverview({ run }: { readonly run: RunSummary }): JSX.Element {
  const points = series.value?.run === run.id ? series.value : null;
  const scores = scoresByVersion(points?.evaluations ?? []);
  const accuracy = knownPoints(
    scores,
    ({ version }) => version,
    (score) => score.accuracy,
  );
  const tested = knownPoints(
    scores,
    ({ version }) => version,
    (score) => score.loss,
  );
  const trained = knownPoints(
    points?.rounds ?? [],
    ({ round }) => round,
    ({ trainLoss }) => trainLoss,
  );
  const best = Math.max(...accuracy.map(([, value]) => value));
  return (
    <>
      <Glance
        run={run}
        accuracy={accuracy.at(-1)?.[1] ?? null}
        best={Number.isFinite(best) ? best : null}
        loss={tested.at(-1)?.[1] ?? trained.at(-1)?.[1] ?? null}
      />
      <div class="charts">
        <LineChart
          title="Accuracy"
          about="of each version on the evaluators’ data"
          lines={[{ name: 'accuracy', colour: 2, points: accuracy }]}
          xLabel="version"
          yLabel="share right"
          format={(value) => formatPercent(value, value * 100 > 99.5 ? 2 : 1)}
          empty="No evaluator has scored a version yet."
        />
        <LineChart
          title="Loss"
          about="mean per example, nats"
          lines={[
            { name: 'evaluation', colour: 3, points: tested },
            { name: 'training in the silos', colour: 7, dashed: true, points: trained },
          ]}
          xLabel="version"
          yLabel="nats"
          format={formatNumber}
          empty="The first round is not published yet."
        />
        <ErrorChart rounds={points?.rounds ?? []} />
      </div>
      <Silos run={run} />
    </>
  );
}

const STEPS: readonly { readonly phase: Phase; readonly name: string }[] = [
  { phase: 'collecting', name: 'Train' },
  { phase: 'aggregating', name: 'Align & average' },
  { phase: 'evaluating', name: 'Evaluate' },
];

function Glance(props: {
  readonly run: RunSummary;
  readonly accuracy: number | null;
  readonly best: number | null;
  readonly loss: number | null;
}): JSX.Element {
  const { run, accuracy, best, loss } = props;
  const { tasks: counts } = run;
  const asked = counts.done + counts.working + counts.failed + counts.late;
  const clock = clockOf(run, now.value);
  return (
    <section class="card glance" aria-label="At a glance">
      <div class="glance-main">
        <p class="eyebrow">Round</p>
        <p class="huge">
          {run.round}
          <span class="quiet"> / {run.rounds}</span>
        </p>
        <Progress value={run.version} max={run.rounds} label="published rounds" />
        <p class="glance-phase">{phaseText(run, now.value)}</p>
        {run.phase !== 'done' && (
          <ol class="steps" aria-label="Phases of a round">
            {STEPS.map(({ phase, name }) => (
              <li key={phase} aria-current={run.phase === phase ? 'step' : undefined}>
                {name}
              </li>
            ))}
          </ol>
        )}
      </div>
      <dl class="glance-facts">
        <div>
          <dt>Updates in</dt>
          <dd>
            {counts.done} <span class="quiet">of {asked}</span>
          </dd>
        </div>
        <div>
          <dt>{clock.title}</dt>
          <dd>{clock.value}</dd>
        </div>
        <div>
          <dt>Accuracy</dt>
          <dd>
            {formatPercent(accuracy)}
            {best !== null && accuracy !== null && best > accuracy && (
              <span class="quiet small-text"> best {formatPercent(best)}</span>
            )}
          </dd>
        </div>
        <div>
          <dt>Loss</dt>
          <dd>{formatNumber(loss)}</dd>
        </div>
      </dl>
    </section>
  );
}

/** What counts down, or else how far it has come. */
function clockOf(run: RunSummary, nowMs: number): { title: string; value: string | number } {
  const leftMs = run.dueMs - nowMs;
  if (run.phase === 'done') return { title: 'Versions', value: run.version };
  if (run.phase === 'collecting' && leftMs > 0) return { title: 'Time left', value: formatDuration(leftMs) };
  return { title: 'Attempt', value: run.attempt };
}

const TONES: Readonly<Record<TaskStateName, string>> = {
  assigned: 'calm',
  training: 'live',
  uploading: 'live',
  done: 'good',
  failed: 'bad',
  late: 'warn',
};

const COLUMNS: readonly Column<SiloTask>[] = [
  {
    title: 'Silo',
    width: 'minmax(7rem, 1.4fr)',
    cell: ({ silo }) => <span class="name">{silo}</span>,
    sort: ({ silo }) => silo,
  },
  {
    title: 'State',
    width: '7rem',
    cell: ({ state }) => <Badge tone={TONES[state]}>{state}</Badge>,
    sort: ({ state }) => state,
  },
  {
    title: 'Progress',
    width: 'minmax(7rem, 1.6fr)',
    cell: ({ silo, step, totalSteps, state, message }) =>
      message !== '' ? (
        <span class="quiet one-line" title={message}>
          {message}
        </span>
      ) : (
        <div class="cell-progress">
          <Progress
            value={state === 'done' ? 1 : step}
            max={state === 'done' ? 1 : totalSteps}
            label={`steps of ${silo}`}
            tone={state === 'done' ? 'good' : ''}
          />
          {totalSteps > 0 && state !== 'done' && (
            <span>
              {formatCount(step)} / {formatCount(totalSteps)}
            </span>
          )}
        </div>
      ),
    sort: ({ state, step, totalSteps }) => (state === 'done' ? 2 : totalSteps > 0 ? step / totalSteps : 0),
  },
  {
    title: 'Loss',
    width: '6rem',
    cell: ({ loss }) => formatNumber(loss),
    sort: ({ loss }) => loss ?? Infinity,
    align: 'right',
    wide: true,
  },
];

function Silos({ run }: { readonly run: RunSummary }): JSX.Element {
  const known = tasks.value?.run === run.id ? tasks.value : null;
  const { done, working, failed, late } = run.tasks;
  const parts = [
    `${done} done`,
    working > 0 ? `${working} at work` : '',
    failed > 0 ? `${failed} failed` : '',
    late > 0 ? `${late} late` : '',
  ].filter((part) => part !== '');
  return (
    <Card title="Silos in this round" {...(known && known.tasks.length > 0 && { about: parts.join(' · ') })}>
      <List
        label="silos in this round"
        rows={known?.tasks ?? []}
        columns={COLUMNS}
        keyOf={({ silo }) => silo}
        sortedBy="Silo"
        empty={
          <Empty icon="silos" title="No silo has been asked yet">
            <p>
              A round starts when {run.minSilos} trainers are connected.{' '}
              <a href="/silos">Look at the silos</a>
            </p>
          </Empty>
        }
      />
    </Card>
  );
}
