import { scaleLinear, scaleLog } from 'd3-scale';

/** docs/regime-map.svg: in which settings fedrot-exact gained over plain averaging, by how much there was to gain. */

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = { top: 40, right: 16, bottom: 44, left: 60 };
const KINDS = [
  { start: 'common', optimizer: 'adamw', colour: '#1f6fd0' },
  { start: 'own', optimizer: 'adamw', colour: '#d1521a' },
  { start: 'common', optimizer: 'sgd', colour: '#1a7f4b' },
  { start: 'own', optimizer: 'sgd', colour: '#9a3bb5' },
];

const text = (x, y, content, more = '') => `<text x="${x}" y="${y}" ${more}>${content}</text>`;

/** A dot for each setting: x is the squared error of plain averaging after round 1, y what fedrot-exact gains there, in points. */
export function gainChart(settings) {
  const dots = settings.flatMap(({ trial, methods }) => {
    const exact = methods.find(({ method }) => method === 'fedrot-exact');
    const [first] = exact?.curve('squaredErrorFedit') ?? [];
    if (exact?.firstDifference === undefined || first === undefined) return [];
    return [
      {
        error: first.value.mean,
        gain: 100 * exact.firstDifference.mean,
        final: 100 * (exact.finalDifference?.mean ?? 0),
        kind: KINDS.find((one) => one.start === trial.start && one.optimizer === trial.optimizer.kind),
        label: `${trial.optimizer.kind} ${trial.optimizer.learningRate}, ${trial.localSteps} local steps, ${trial.rounds} rounds, ${trial.start} start`,
      },
    ];
  });
  if (dots.length === 0) return undefined;
  const errors = dots.map(({ error }) => error);
  const gains = dots.flatMap(({ gain, final }) => [gain, final, 0]);
  const x = scaleLog(
    [Math.min(...errors) / 1.2, Math.max(...errors) * 1.2],
    [MARGIN.left, WIDTH - MARGIN.right],
  );
  const y = scaleLinear([Math.min(...gains), Math.max(...gains)], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice(
    6,
  );
  const grid = y.ticks(6).map((tick) => {
    const at = y(tick).toFixed(1);
    return `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at}" y2="${at}" stroke="${tick === 0 ? '#586171' : '#dfe3e9'}"/>${text(MARGIN.left - 8, Number(at) + 4, tick, 'text-anchor="end"')}`;
  });
  const ticks = x
    .ticks(5)
    .filter((tick) => /^[125]/.test(tick.toExponential()))
    .map((tick) => text(x(tick).toFixed(1), HEIGHT - MARGIN.bottom + 18, tick, 'text-anchor="middle"'));
  const marks = dots.map(({ error, gain, final, kind, label }) => {
    const cx = x(error).toFixed(1);
    const title = `<title>${label}: ${gain.toFixed(1)} points after round 1, ${final.toFixed(1)} at the end</title>`;
    return [
      `<circle cx="${cx}" cy="${y(gain).toFixed(1)}" r="5" fill="${kind.colour}">${title}</circle>`,
      `<circle cx="${cx}" cy="${y(final).toFixed(1)}" r="4" fill="none" stroke="${kind.colour}" stroke-width="2">${title}</circle>`,
    ].join('');
  });
  const legend = KINDS.map(({ start, optimizer, colour }, i) => {
    const left = MARGIN.left + i * 140;
    return `<circle cx="${left}" cy="16" r="5" fill="${colour}"/>${text(left + 10, 20, `${optimizer}, ${start} start`)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#586171" role="img" aria-label="Gain of fedrot-exact over plain averaging by the aggregation error of round 1">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${[...legend, ...grid, ...ticks, ...marks].join('\n')}
${text((MARGIN.left + WIDTH) / 2, HEIGHT - 6, 'squared aggregation error of plain averaging in round 1 (log scale)', 'text-anchor="middle"')}
<text transform="translate(14 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">points gained: filled after round 1, open at the end</text>
</svg>
`;
}
