import type { RoundDetail, RoundPoint } from '../../../src/api/rounds.js';

/** A round as it is told of when it is published and not measured yet. */
export function unmeasured(point: RoundPoint): RoundPoint {
  return {
    ...point,
    diagnosis: 'pending',
    aggregationError: null,
    aggregationErrorFedit: null,
    aggregationErrorBound: null,
    misalignment: null,
  };
}

export function unmeasuredDetail(detail: RoundDetail): RoundDetail {
  return { ...detail, point: unmeasured(detail.point), silos: [], modules: [] };
}
