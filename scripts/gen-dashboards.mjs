// Writes the Grafana dashboards of deploy/grafana/dashboards from scripts/dashboards/panels.mjs: `npm run dashboards`. With
// --check it writes nothing and fails where what is committed differs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { DASHBOARDS } from './dashboards/panels.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'deploy/grafana/dashboards');
const check = process.argv.includes('--check');

/** The data source that deploy/grafana/provisioning makes. */
const DATASOURCE = { type: 'prometheus', uid: 'fedrot-prometheus' };
const WIDE = { stat: 6, graph: 12 };
const HIGH = { stat: 4, graph: 8 };

const variable = ([name, query]) => ({
  name,
  label: name,
  type: 'query',
  datasource: DATASOURCE,
  query: { query, refId: name },
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
  sort: 1,
});

/** Left to right, top to bottom, on Grafana's grid of 24. */
function place(panels) {
  let x = 0;
  let y = 0;
  let rowHeight = 0;
  return panels.map(([title, unit, description, queries, { stat = false } = {}], index) => {
    const kind = stat ? 'stat' : 'graph';
    const w = WIDE[kind];
    const h = HIGH[kind];
    if (x + w > 24 || (rowHeight !== 0 && rowHeight !== h)) {
      x = 0;
      y += rowHeight;
    }
    const gridPos = { x, y, w, h };
    x += w;
    rowHeight = h;
    return {
      id: index + 1,
      type: stat ? 'stat' : 'timeseries',
      title,
      description,
      datasource: DATASOURCE,
      gridPos,
      fieldConfig: {
        defaults: { unit, ...(stat ? {} : { min: unit === 's' || unit === 'none' ? undefined : 0 }) },
        overrides: [],
      },
      options: stat
        ? { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, textMode: 'value_and_name' }
        : {
            legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
            tooltip: { mode: 'multi' },
          },
      targets: Object.entries(queries).map(([legendFormat, expr], at) => ({
        refId: String.fromCharCode(65 + at),
        datasource: DATASOURCE,
        expr,
        legendFormat,
      })),
    };
  });
}

const dashboard = ({ uid, title, description, variables, panels }) => ({
  uid,
  title,
  description,
  tags: ['fedrot'],
  schemaVersion: 39,
  version: 1,
  editable: true,
  time: { from: 'now-1h', to: 'now' },
  refresh: '10s',
  timezone: 'browser',
  templating: { list: Object.entries(variables).map(variable) },
  annotations: { list: [] },
  panels: place(panels),
});

let stale = 0;
mkdirSync(folder, { recursive: true });
for (const each of DASHBOARDS) {
  const file = join(folder, `${each.uid}.json`);
  const text = await format(JSON.stringify(dashboard(each)), {
    ...(await resolveConfig(file)),
    filepath: file,
  });
  const before = (() => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  })();
  if (before === text) continue;
  stale += 1;
  if (check)
    process.stderr.write(`${each.uid}.json differs from scripts/dashboards; run \`npm run dashboards\`\n`);
  else writeFileSync(file, text);
}
process.exit(check && stale > 0 ? 1 : 0);
