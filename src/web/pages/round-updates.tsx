import type { JSX } from 'preact';
import type { RoundUpdate } from '../../api/rounds.js';
import { formatBytes, formatCount, formatDuration, formatNumber, plural } from '../lib/format.js';
import { Badge, Card } from '../ui/basics.tsx';
import { List, type Column } from '../ui/list.tsx';

const SILO: Column<RoundUpdate> = {
  title: 'Silo',
  width: 'minmax(7rem, 1.4fr)',
  cell: ({ silo }) => <span class="name">{silo}</span>,
  sort: ({ silo }) => silo,
};

/** Only where an update of the round was not from the newest version. */
const AGE: Column<RoundUpdate> = {
  title: 'Age',
  width: 'minmax(9rem, 1.2fr)',
  cell: ({ staleness, stepWeight }) =>
    staleness === 0 ? (
      <span class="quiet">newest</span>
    ) : (
      <span title="how old the version was that it began from, and what of its step counted">
        <Badge tone="warn">{plural(staleness, 'version')} old</Badge>{' '}
        <span class="quiet">× {formatNumber(stepWeight)}</span>
      </span>
    ),
  sort: ({ staleness }) => staleness,
};

function numberColumn(
  title: string,
  width: string,
  value: (update: RoundUpdate) => number | null,
  text: (update: RoundUpdate) => string,
): Column<RoundUpdate> {
  return { title, width, align: 'right', wide: true, cell: text, sort: (row) => value(row) ?? Infinity };
}

const EXAMPLES = numberColumn(
  'Examples',
  '6rem',
  ({ examples }) => examples,
  ({ examples }) => formatCount(examples),
);

const MORE: readonly Column<RoundUpdate>[] = [
  numberColumn(
    'Loss',
    '5.5rem',
    ({ loss }) => loss,
    ({ loss }) => formatNumber(loss),
  ),
  numberColumn(
    'Steps',
    '5rem',
    ({ steps }) => steps,
    ({ steps }) => formatCount(steps),
  ),
  numberColumn(
    'Trained',
    '7rem',
    ({ seconds }) => seconds,
    ({ seconds }) => formatDuration(seconds * 1000),
  ),
  numberColumn(
    'Sent',
    '6rem',
    ({ bytes }) => bytes,
    ({ bytes }) => formatBytes(bytes),
  ),
];

/** What the silos of a round sent, and how old it was. */
export function RoundUpdates(props: {
  readonly round: number;
  readonly updates: readonly RoundUpdate[];
}): JSX.Element | null {
  const { round, updates } = props;
  if (updates.length === 0) return null;
  const old = updates.filter(({ staleness }) => staleness > 0).length;
  const about = [
    plural(updates.length, 'update'),
    old > 0 ? `${formatCount(old)} not from the newest version, counted by age` : '',
  ];
  return (
    <Card title={`Updates of round ${round}`} about={about.filter((part) => part !== '').join(' · ')}>
      <List
        label={`updates of round ${round}`}
        rows={updates}
        columns={[SILO, ...(old > 0 ? [AGE] : []), { ...EXAMPLES, wide: old > 0 }, ...MORE]}
        keyOf={({ silo }) => silo}
        sortedBy="Silo"
        maxRows={8}
        rowHeight={38}
      />
    </Card>
  );
}
