import type { RoundDetail, RoundPoint } from '../../../src/api/types.js';
import { MEASURES, type ShownDetail, type ShownRound } from '../../../src/web/lib/measured.js';

function without(value: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/** A round as it is told of when it is published and not measured yet. */
export function unmeasured(point: RoundPoint): ShownRound {
  return without(point, MEASURES) as ShownRound;
}

export function unmeasuredDetail(detail: RoundDetail): ShownDetail {
  const rest = without(detail, ['silos', 'modules']) as ShownDetail;
  return { ...rest, point: unmeasured(detail.point) };
}
