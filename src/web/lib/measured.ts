import type { RoundDetail, RoundPoint } from '../../api/types.js';

/**
 * What a round's diagnostics say comes after its adapter: a version is published first, and measured then. Until it is, these are absent;
 * null is what the method cannot tell.
 */
export const MEASURES = [
  'aggregationError',
  'aggregationErrorFedit',
  'aggregationErrorBound',
  'misalignment',
] as const satisfies readonly (keyof RoundPoint)[];

type Measure = (typeof MEASURES)[number];

/** A published round, measured or not yet. */
export type ShownRound = Omit<RoundPoint, Measure> & Partial<Pick<RoundPoint, Measure>>;

export type ShownDetail = Omit<RoundDetail, 'point' | 'silos' | 'modules'> &
  Partial<Pick<RoundDetail, 'silos' | 'modules'>> & { readonly point: ShownRound };

export const BEING_COMPUTED = 'being computed';

/** Whether its diagnostics are still to come. An old version that was published again has none. */
export function isPending(round: ShownRound): boolean {
  return round.rollbackOf === null && MEASURES.every((measure) => round[measure] === undefined);
}

export const pendingRounds = (rounds: readonly ShownRound[]): readonly number[] =>
  rounds.filter(isPending).map(({ round }) => round);

/** The points of a line: what is known of each entry. */
export function knownPoints<T>(
  entries: readonly T[],
  x: (entry: T) => number,
  y: (entry: T) => number | null | undefined,
): readonly (readonly [x: number, y: number])[] {
  return entries.flatMap((entry) => {
    const value = y(entry) ?? null;
    return value === null ? [] : [[x(entry), value] as const];
  });
}
