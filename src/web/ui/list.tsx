import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useMemo, useState } from 'preact/hooks';
import { rowsInSight } from '../lib/rows.js';
import { useSize } from './use-size.ts';

export interface Column<T> {
  readonly title: string;
  /** CSS grid track, e.g. `2fr` or `8rem`. */
  readonly width: string;
  readonly cell: (row: T) => ComponentChildren;
  /** What the column is sorted by; without it, it is not. */
  readonly sort?: (row: T) => number | string;
  readonly align?: 'right';
  /** Left out on a phone. */
  readonly wide?: boolean;
}

interface ListProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly keyOf: (row: T) => string | number;
  /** Rows in sight at most before the list scrolls within itself. */
  readonly maxRows?: number;
  readonly rowHeight?: number;
  /** On a phone, where what is cut off on one line gets two. */
  readonly narrowRowHeight?: number;
  readonly empty?: ComponentChildren;
  readonly sortedBy?: string;
  readonly descending?: boolean;
}

/**
 * A table of any length: only the rows in sight are in the document. To assistive technology it is a table with the true number of
 * rows (WAI-ARIA 1.2, aria-rowcount).
 */
export function List<T>(props: ListProps<T>): JSX.Element {
  const { label, rows, keyOf, maxRows = 14 } = props;
  const [ref, { width, height }] = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const [order, setOrder] = useState({ title: props.sortedBy, descending: props.descending ?? false });
  const narrow = width > 0 && width < 560;
  const rowHeight = (narrow ? props.narrowRowHeight : undefined) ?? props.rowHeight ?? 44;
  const columns = props.columns.filter((column) => !narrow || column.wide !== true);
  const by = columns.find((column) => column.title === order.title)?.sort;
  // Scrolling draws anew, but sorts nothing.
  const sorted = useMemo(
    () => (by === undefined ? rows : sortRows(rows, by, order.descending)),
    [rows, order.title, order.descending, by === undefined],
  );
  const { first, end } = rowsInSight(sorted.length, rowHeight, top, height);
  const style = {
    '--columns': columns.map((column) => column.width).join(' '),
    '--row': `${rowHeight}px`,
  };

  // A list that got shorter is scrolled no further than it goes.
  useLayoutEffect(() => {
    if (ref.current) setTop(ref.current.scrollTop);
  }, [rows.length]);

  if (rows.length === 0 && props.empty !== undefined) return <>{props.empty}</>;
  return (
    <div
      class={narrow ? 'list narrow' : 'list'}
      role="table"
      aria-label={label}
      aria-rowcount={sorted.length + 1}
      style={style}
    >
      <div class="list-head" role="row" aria-rowindex={1}>
        {columns.map((column) => (
          <HeadCell
            key={column.title}
            column={column}
            order={order}
            onSort={(descending) => setOrder({ title: column.title, descending })}
          />
        ))}
      </div>
      <div
        ref={ref}
        class="list-body"
        role="rowgroup"
        tabIndex={0}
        aria-label={`rows of ${label}`}
        style={{ height: `${Math.min(sorted.length, maxRows) * rowHeight}px` }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div class="list-space" role="presentation" style={{ height: `${sorted.length * rowHeight}px` }}>
          {sorted.slice(first, end).map((row, index) => (
            <div
              key={keyOf(row)}
              class="list-row"
              role="row"
              aria-rowindex={first + index + 2}
              style={{ transform: `translateY(${(first + index) * rowHeight}px)` }}
            >
              {columns.map((column) => (
                <div key={column.title} role="cell" class={column.align ?? ''}>
                  {column.cell(row)}
                </div>
              ))}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

function HeadCell<T>(props: {
  readonly column: Column<T>;
  readonly order: { readonly title: string | undefined; readonly descending: boolean };
  readonly onSort: (descending: boolean) => void;
}): JSX.Element {
  const { column, order, onSort } = props;
  const isOn = order.title === column.title;
  const sort = isOn ? (order.descending ? 'descending' : 'ascending') : 'none';
  if (column.sort === undefined)
    return (
      <div role="columnheader" class={column.align ?? ''}>
        {column.title}
      </div>
    );
  return (
    <div role="columnheader" class={column.align ?? ''} aria-sort={sort}>
      <button type="button" onClick={() => onSort(isOn && !order.descending)}>
        {column.title}
        <span aria-hidden="true">{isOn ? (order.descending ? ' ↓' : ' ↑') : ''}</span>
      </button>
    </div>
  );
}

function sortRows<T>(rows: readonly T[], by: (row: T) => number | string, descending: boolean): readonly T[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((x, y) => {
    const [a, b] = [by(x), by(y)];
    return a === b ? 0 : a < b ? -sign : sign;
  });
}
