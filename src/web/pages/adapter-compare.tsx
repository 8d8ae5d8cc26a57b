import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { AdapterComparison, ModuleChange } from '../../api/types.js';
import { formatBytes, formatNumber, shortModule } from '../lib/format.js';
import { useLoaded } from '../state/use-loaded.js';
import { Card, Facts, Failure, Loading } from '../ui/basics.tsx';
import { List, type Column } from '../ui/list.tsx';

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

/** Two versions of a run, and how far their updates lie apart. */
export function CompareVersions({
  base,
  newest,
}: {
  readonly base: string;
  readonly newest: number;
}): JSX.Element {
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
