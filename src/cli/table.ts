/** How a column of a printed table lies. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
  /** Numbers lie right, which is the default for values that are numbers. */
  readonly align?: 'left' | 'right';
}

const text = (value: string | number | null | undefined): string =>
  value === null || value === undefined ? '–' : String(value);

/** Rows as aligned columns under their titles, ending with a line break; `empty` is said where there are none. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  empty: string,
): string {
  if (rows.length === 0) return `${empty}\n`;
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const rights = columns.map(
    ({ align }, index) =>
      (align ?? (cells.every((row) => typeof row[index] !== 'string') ? 'right' : 'left')) === 'right',
  );
  const lines = [columns.map(({ title }) => title), ...cells.map((row) => row.map(text))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, index) => {
          const padding = ' '.repeat((widths[index] ?? 0) - cell.length);
          return rights[index] === true ? padding + cell : cell + padding;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
    .concat('\n');
}
