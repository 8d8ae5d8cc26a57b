/** Rows of a long list that are worth drawing: those in sight, and some beyond either edge. */
export interface RowWindow {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

const BEYOND = 8;

/** `top`: how far the list is scrolled; all in pixels, rows are equally high. */
export function rowsInSight(count: number, rowHeight: number, top: number, height: number): RowWindow {
  const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + BEYOND);
  return { first: Math.min(first, Math.max(0, end)), end };
}
