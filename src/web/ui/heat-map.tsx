import { scaleLinear } from 'd3-scale';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useSize } from './use-size.ts';

export interface HeatMapProps {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** By row, then column; null, or not there: not known. */
  readonly values: readonly (readonly (number | null)[] | undefined)[];
  readonly format: (value: number) => string;
  readonly rowName: (row: string) => string;
  readonly label: string;
}

const ROW = 20;
const NAMES = 190;
const COLUMN_NAMES = 74;
/** Room for the slanted name of the last column. */
const SLANT = 64;

interface Cell {
  readonly row: number;
  readonly column: number;
}

/** Values by row and column as colours: a canvas, so that 24 modules × 1,000 silos are one picture and not 24,000 elements. */
export function HeatMap(props: HeatMapProps): JSX.Element {
  const { rows, columns, values, format, rowName, label } = props;
  const [ref, { width }] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<Cell>();
  const names = Math.min(NAMES, Math.max(96, width * 0.28));
  const cell = Math.max(3, Math.min(40, (width - names - SLANT) / Math.max(1, columns.length)));
  const slanted = cell >= 14;
  const top = slanted ? COLUMN_NAMES : 22;
  const right = slanted ? SLANT : 2;
  const size = {
    width: Math.ceil(names + cell * columns.length + right),
    height: top + ROW * rows.length + 2,
  };
  const max = values.flat().reduce<number>((most, each) => Math.max(most, each ?? 0), 0);

  useEffect(() => {
    const draw = (): void => {
      if (canvas.current && width > 0) paint(canvas.current, { ...props, names, cell, top, size, max, at });
    };
    draw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => {
      dark.removeEventListener('change', draw);
      theme.disconnect();
    };
  });

  const move = (rowStep: number, columnStep: number): void =>
    setAt(({ row, column } = { row: 0, column: -columnStep }) => ({
      row: Math.max(0, Math.min(rows.length - 1, row + rowStep)),
      column: Math.max(0, Math.min(columns.length - 1, column + columnStep)),
    }));
  const value = at === undefined ? undefined : values[at.row]?.[at.column];
  return (
    <div ref={ref} class="heat">
      <div
        class="heat-scroll"
        tabIndex={0}
        role="group"
        aria-label={`${label}: ${rows.length} modules by ${columns.length} silos. Arrow keys tell the values.`}
        onKeyDown={(event) => {
          const step = ARROWS[event.key];
          if (!step) return;
          event.preventDefault();
          move(...step);
        }}
        onBlur={() => setAt(undefined)}
      >
        <canvas
          ref={canvas}
          aria-hidden="true"
          onPointerMove={(event) => {
            const row = Math.floor((event.offsetY - top) / ROW);
            const column = Math.floor((event.offsetX - names) / cell);
            const inside = row >= 0 && row < rows.length && column >= 0 && column < columns.length;
            setAt(inside ? { row, column } : undefined);
          }}
          onPointerLeave={() => setAt(undefined)}
        />
      </div>
      <div class="heat-foot">
        <p role="status">
          {at === undefined ? (
            <span class="quiet">Point at a cell to read its value.</span>
          ) : (
            <>
              <b>{typeof value === 'number' ? format(value) : '–'}</b> {rowName(rows[at.row] ?? '')} ·{' '}
              {columns[at.column]}
            </>
          )}
        </p>
        <div class="scale" aria-hidden="true">
          <span>{format(0)}</span>
          <i />
          <span>{format(max)}</span>
        </div>
      </div>
    </div>
  );
}

const ARROWS: Readonly<Record<string, readonly [row: number, column: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

interface Painting extends HeatMapProps {
  readonly names: number;
  readonly cell: number;
  readonly top: number;
  readonly size: { readonly width: number; readonly height: number };
  readonly max: number;
  readonly at: Cell | undefined;
}

function paint(canvas: HTMLCanvasElement, painting: Painting): void {
  const { rows, columns, values, rowName, names, cell, top, size, max, at } = painting;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  const sharp = devicePixelRatio || 1;
  canvas.width = size.width * sharp;
  canvas.height = size.height * sharp;
  canvas.style.width = `${size.width}px`;
  canvas.style.height = `${size.height}px`;
  pen.scale(sharp, sharp);
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const scale = scaleLinear<string>(
    [0, max / 2 || 0.5, max || 1],
    [colour('--heat-low'), colour('--heat-mid'), colour('--heat-high')],
  );
  pen.font = `12px ${style.fontFamily}`;
  pen.textBaseline = 'middle';
  pen.fillStyle = style.color;
  rows.forEach((row, index) => {
    pen.textAlign = 'right';
    pen.fillText(fit(pen, rowName(row), names - 12), names - 8, top + ROW * (index + 0.5));
  });
  if (cell >= 14) columns.forEach((name, index) => slanted(pen, name, names + cell * (index + 0.5), top - 6));
  else {
    pen.textAlign = 'left';
    pen.fillText(`${columns.length} silos, in order of name →`, names, top / 2);
  }
  const gap = cell >= 8 ? 1 : 0;
  rows.forEach((_row, row) => {
    columns.forEach((_column, column) => {
      const value = values[row]?.[column];
      pen.fillStyle = typeof value === 'number' ? scale(value) : colour('--line');
      pen.fillRect(names + cell * column, top + ROW * row, cell - gap, ROW - 1);
    });
  });
  if (at === undefined) return;
  pen.strokeStyle = colour('--ink');
  pen.lineWidth = 2;
  pen.strokeRect(names + cell * at.column, top + ROW * at.row, Math.max(3, cell - gap), ROW - 1);
}

function slanted(pen: CanvasRenderingContext2D, text: string, x: number, y: number): void {
  pen.save();
  pen.translate(x, y);
  pen.rotate(-Math.PI / 4);
  pen.textAlign = 'left';
  pen.fillText(fit(pen, text, 84), 0, 0);
  pen.restore();
}

function fit(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 1 && pen.measureText(`${cut}…`).width > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}
