import type { RoundPoint } from '../../api/rounds.js';

export const BEING_COMPUTED = 'being computed';

/** A version is published first, and measured then; null is what the method cannot tell. */
export const isPending = ({ diagnosis }: Pick<RoundPoint, 'diagnosis'>): boolean => diagnosis === 'pending';

export const pendingRounds = (rounds: readonly RoundPoint[]): readonly number[] =>
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
