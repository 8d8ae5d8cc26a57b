import type { JSX } from 'preact';
import type { RoundPoint } from '../../api/rounds.js';
import { formatPercent } from '../lib/format.js';
import { knownPoints, pendingRounds } from '../lib/measured.js';
import { LineChart } from '../ui/line-chart.tsx';

/** What alignment is for: how far the published adapter is from the exact mean of the updates, against plain averaging and the best possible. */
export function ErrorChart({ rounds }: { readonly rounds: readonly RoundPoint[] }): JSX.Element {
  const points = (value: (round: RoundPoint) => number | null | undefined) =>
    knownPoints(rounds, ({ round }) => round, value);
  return (
    <LineChart
      title="Aggregation error"
      about="distance of the new adapter from the exact mean of the updates"
      lines={[
        { name: 'this run', colour: 0, points: points((point) => point.aggregationError) },
        { name: 'plain averaging', colour: 1, points: points((point) => point.aggregationErrorFedit) },
        {
          name: 'best possible at this rank',
          colour: 7,
          dashed: true,
          points: points((point) => point.aggregationErrorBound),
        },
      ]}
      pending={pendingRounds(rounds)}
      xLabel="round"
      yLabel="of the mean’s norm"
      include={[0]}
      format={(value) => formatPercent(value, value < 0.1 ? 1 : 0)}
      empty="Known soon after the first round is published, for methods whose server sees both factors."
    />
  );
}
