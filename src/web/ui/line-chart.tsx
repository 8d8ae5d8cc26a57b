import { bisectCenter, extent } from 'd3-array';
import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { plural, tickLabels } from '../lib/format.ts';
import { BEING_COMPUTED } from '../lib/measured.ts';
import { useSize } from './use-size.ts';

export interface Line {
  readonly name: string;
  /** Which colour of the palette, from 0. */
  readonly colour: number;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface LineChartProps {
  readonly title: string;
  readonly about: string;
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly format: (y: number) => string;
  /** Logarithmic where values lie far apart. */
  readonly log?: boolean;
  /** Always within the axis. */
  readonly include?: readonly number[];
  readonly xMax?: number;
  readonly empty: string;
  /** Where values are still to come. */
  readonly pending?: readonly number[];
}

const HEIGHT = 232;
const MARGIN = { top: 12, right: 14, bottom: 34, left: 52 };

/** Lines over rounds with axes, legend, values under the pointer or the arrow keys, and the same as a table. */
export function LineChart(props: LineChartProps): JSX.Element {
  const { title, about, lines, pending = [] } = props;
  const [asTable, setAsTable] = useState(false);
  const drawn = lines.filter(({ points }) => points.length > 0);
  return (
    <figure class="card chart">
      <figcaption class="card-head">
        <div>
          <h2>{title}</h2>
          <p class="quiet">{about}</p>
        </div>
        {drawn.length > 0 && (
          <button
            type="button"
            class="small bare"
            aria-label={`${title} as a ${asTable ? 'chart' : 'table'}`}
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? 'Chart' : 'Table'}
          </button>
        )}
      </figcaption>
      {drawn.length === 0 ? (
        <p class="chart-empty">{pending.length > 0 ? toCome(props) : props.empty}</p>
      ) : asTable ? (
        <Values {...props} lines={drawn} />
      ) : (
        <Plot {...props} lines={drawn} />
      )}
      {drawn.length > 0 && (
        <ul class="legend">
          {drawn.map(({ name, colour, dashed }) => (
            <li key={name}>
              <svg viewBox="0 0 24 8" aria-hidden="true" class={`series-${colour}`}>
                <path d="M1 4h22" class={dashed === true ? 'dashed' : ''} />
              </svg>
              {name}
            </li>
          ))}
          {pending.length > 0 && <li>{toCome(props)}</li>}
        </ul>
      )}
    </figure>
  );
}

/** `round 9: being computed`. */
function toCome({ xLabel, pending = [] }: LineChartProps): string {
  const which = pending.length === 1 ? `${xLabel} ${pending.join()}` : plural(pending.length, xLabel);
  return `${which}: ${BEING_COMPUTED}`;
}

/** Where there is something to tell, from left to right. */
function placesOf({ lines, pending = [] }: LineChartProps): number[] {
  const known = lines.flatMap(({ points }) => points.map(([x]) => x));
  return [...new Set([...known, ...pending])].sort((a, b) => a - b);
}

function Plot(props: LineChartProps): JSX.Element {
  const { lines, xLabel, yLabel, format, include = [], pending = [] } = props;
  const [ref, { width }] = useSize<HTMLDivElement>();
  const [at, setAt] = useState<number>();
  const all = lines.flatMap(({ points }) => points);
  const xs = placesOf(props);
  const [low, high] = extent(xs) as [number, number];
  const x = scaleLinear(
    [low, Math.max(high, props.xMax ?? high, low + 1)],
    [MARGIN.left, Math.max(MARGIN.left + 10, width - MARGIN.right)],
  );
  const y = yScale(
    all.map(([, value]) => value),
    include,
    props.log === true,
  );
  const path = line<readonly [number, number]>(
    (point) => x(point[0]),
    (point) => y(point[1]),
  );
  const cursor = at === undefined ? undefined : xs[at];
  const move = (step: number): void =>
    setAt((before) => Math.max(0, Math.min(xs.length - 1, (before ?? (step > 0 ? -1 : xs.length)) + step)));
  const yTicks = y.ticks(5);
  const yLabels = tickLabels(yTicks, format);
  const ticks = x.ticks(Math.min(8, Math.max(2, width / 80))).filter(Number.isInteger);

  return (
    <div
      ref={ref}
      class="plot"
      tabIndex={0}
      role="group"
      aria-label={`${props.title}: ${summary(props)}. Arrow keys tell the values.`}
      onPointerMove={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        setAt(bisectCenter(xs, x.invert(event.clientX - box.left)));
      }}
      onPointerLeave={() => setAt(undefined)}
      onBlur={() => setAt(undefined)}
      onKeyDown={(event) => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        event.preventDefault();
        move(event.key === 'ArrowRight' ? 1 : -1);
      }}
    >
      {width > 0 && (
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {yTicks.map((tick, index) => (
            <g key={tick} transform={`translate(0 ${y(tick)})`}>
              <line class="grid" x1={MARGIN.left} x2={width - MARGIN.right} />
              <text class="tick" x={MARGIN.left - 8} dy="0.32em" text-anchor="end">
                {yLabels[index]}
              </text>
            </g>
          ))}
          <line
            class="axis"
            x1={MARGIN.left}
            x2={width - MARGIN.right}
            y1={HEIGHT - MARGIN.bottom}
            y2={HEIGHT - MARGIN.bottom}
          />
          {ticks.map((tick) => (
            <text key={tick} class="tick" x={x(tick)} y={HEIGHT - MARGIN.bottom + 16} text-anchor="middle">
              {tick}
            </text>
          ))}
          <text class="label" x={width - MARGIN.right} y={HEIGHT - 3} text-anchor="end">
            {xLabel}
          </text>
          <text class="label" x={0} y={HEIGHT - 3}>
            ↑ {yLabel}
          </text>
          {cursor !== undefined && (
            <line class="cursor" x1={x(cursor)} x2={x(cursor)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
          )}
          {lines.map(({ name, colour, dashed, points }) => (
            <g key={name} class={`line series-${colour} ${dashed === true ? 'dashed' : ''}`}>
              <path d={path(points) ?? ''} />
              {points.length <= 24 &&
                points.map((point) => <circle key={point[0]} cx={x(point[0])} cy={y(point[1])} r={2.5} />)}
              {points
                .filter(([value]) => value === cursor)
                .map((point) => (
                  <circle key="cursor" class="on" cx={x(point[0])} cy={y(point[1])} r={4.5} />
                ))}
            </g>
          ))}
        </svg>
      )}
      <div class={`tip ${cursor !== undefined && x(cursor) > width / 2 ? 'left' : 'right'}`} role="status">
        {cursor !== undefined && (
          <>
            <strong>
              {xLabel} {cursor}
            </strong>
            {pending.includes(cursor) && <span>{BEING_COMPUTED}</span>}
            {lines.map(({ name, colour, points }) => {
              const found = points.find(([value]) => value === cursor);
              return (
                found && (
                  <span key={name} class={`series-${colour}`}>
                    <i /> {name} <b>{format(found[1])}</b>
                  </span>
                )
              );
            })}
          </>
        )}
      </div>
    </div>
  );
}

function yScale(values: readonly number[], include: readonly number[], log: boolean) {
  const [low, high] = extent([...values, ...include]) as [number, number];
  const range = [HEIGHT - MARGIN.bottom, MARGIN.top];
  if (log && low > 0) return scaleLog([low, high * 1.001], range).nice();
  const room = high === low ? Math.abs(high) * 0.1 || 1 : (high - low) * 0.06;
  const floor = include.includes(low) ? low : low - room;
  return scaleLinear(
    [low >= 0 ? Math.max(0, floor) : floor, include.includes(high) ? high : high + room],
    range,
  ).nice(5);
}

function summary(props: LineChartProps): string {
  const { lines, format, pending = [] } = props;
  const said = lines.map(({ name, points }) => {
    const last = points.at(-1);
    return last === undefined ? name : `${name} ${format(last[1])} at ${last[0]}`;
  });
  return [...said, ...(pending.length > 0 ? [toCome(props)] : [])].join(', ');
}

function Values(props: LineChartProps): JSX.Element {
  const { lines, xLabel, format, title, pending = [] } = props;
  const xs = placesOf(props).reverse();
  const maps = lines.map(({ points }) => new Map(points));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, values`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{xLabel}</th>
            {lines.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {xs.map((x) => (
            <tr key={x}>
              <th scope="row">{x}</th>
              {maps.map((values, index) => {
                const value = values.get(x);
                const missing = pending.includes(x) ? BEING_COMPUTED : '–';
                return <td key={index}>{value === undefined ? missing : format(value)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
