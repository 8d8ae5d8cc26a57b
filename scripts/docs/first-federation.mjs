// What was seen on the way of docs/first-federation.md: from the file that test/images/newcomer.test.ts writes where it takes pictures.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const percent = (ratio) => `${(100 * ratio).toFixed(1)} %`;

/** Generators of the regions that tell of it. */
export function firstFederation(root) {
  const seen = () => JSON.parse(readFileSync(join(root, 'docs/first-federation-results.json'), 'utf8'));
  const table = () => {
    const { before, after, addedMB } = seen();
    return [
      '| | |',
      '| --- | ---: |',
      `| the coordinator's image adds to its base | ${addedMB.coordinator} MB |`,
      `| the client's image adds to its base | ${addedMB.client} MB |`,
      `| accuracy on 400 e-mails of no silo, before | ${percent(before)} |`,
      `| the same, with the adapter | ${percent(after)} |`,
    ].join('\n');
  };
  return { 'first federation': table };
}
