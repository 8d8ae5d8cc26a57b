// What the demo came to, in words: from docs/demo-results.json, which test/browser/demo-results.test.ts writes from the demo itself.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const percent = (ratio) => `${(100 * ratio).toFixed(1)} %`;

const duration = (seconds) => `${Math.floor(seconds / 60)} min ${seconds % 60} s`;

/** The worst round but the first, in which factors still share the basis that they were drawn in. */
function errorText({ errorRatios }) {
  const worst = Math.max(...errorRatios.slice(1));
  const mean = errorRatios.slice(1).reduce((sum, ratio) => sum + ratio, 0) / (errorRatios.length - 1);
  return `${mean.toFixed(2)} × on average, ${worst.toFixed(2)} × at most, from round 2 on`;
}

/** Generators of the regions that tell of the demo. */
export function demoResults(root) {
  const row = (uploads, run, more = '') =>
    `| ${uploads} | ${percent(run.initial)} | ${percent(run.final)}${more} | ${errorText(run)} |`;
  const table = () => {
    const runs = JSON.parse(readFileSync(join(root, 'docs/demo-results.json'), 'utf8'));
    const plain = runs.find(({ scrambled }) => !scrambled);
    const turned = runs.find(({ scrambled }) => scrambled);
    return [
      '| uploads | before | accuracy on 400 held-out e-mails | aggregation error, as a multiple of plain averaging’s |',
      '| --- | --- | --- | --- |',
      row('as trained', plain, ` (always "ham": ${percent(plain.majority)})`),
      row('each turned by a random rotation of its factors', turned),
      '',
      `Seed ${plain.seed}, ${plain.errorRatios.length} rounds, ${duration(plain.seconds)} on two cores.`,
    ].join('\n');
  };
  return { 'demo results': table };
}
