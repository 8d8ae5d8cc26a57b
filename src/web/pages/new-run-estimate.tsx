import type { JSX } from 'preact';
import type { RunCheck } from '../../api/types.js';
import { formatBytes, formatCount } from '../lib/format.js';
import { Facts, Loading, Note } from '../ui/basics.tsx';

/** What the run will take of every silo, and what looks wrong about it. */
export function Estimate({
  check,
  rounds,
}: {
  readonly check: RunCheck | undefined;
  readonly rounds: number;
}): JSX.Element {
  if (!check?.estimate) return <Loading lines={3} />;
  const { modules, parameters, uploadBytes, downloadBytes } = check.estimate;
  return (
    <>
      <Facts
        facts={[
          ['Modules adapted', formatCount(modules)],
          ['Parameters trained', formatCount(parameters)],
          ['A silo sends, each round', formatBytes(uploadBytes)],
          ['A silo fetches, each round', formatBytes(downloadBytes)],
          ['A silo moves in all', formatBytes((uploadBytes + downloadBytes) * rounds)],
        ]}
      />
      {check.warnings.map((warning) => (
        <Note key={warning} tone="warn">
          {warning}
        </Note>
      ))}
    </>
  );
}
