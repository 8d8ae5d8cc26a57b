import type { CombinedModule } from './combine-module.js';
import type { Judged, SquaredErrors } from './errors.js';
import type { ModuleWork } from './open-module.js';
import { siloDiagnostics } from './silo-diagnostics.js';
import { distanceFromIdentity } from './small-matrix.js';
import type { ModuleDiagnostics } from './types.js';

export interface DiagnosedModule {
  /** Undefined where the server does not know the silos' products. */
  readonly squared: SquaredErrors | undefined;
  readonly diagnostics: ModuleDiagnostics;
}

/** Measures what came out of one module, and how the silos' updates lay to each other. */
export function diagnoseModule(
  { data, measures }: ModuleWork,
  { alignment, factors, merge, isMean }: CombinedModule,
): DiagnosedModule {
  const { grams, algebra } = measures();
  const judged: Judged = isMean ? { factors, rotations: alignment.rotations } : { factors };
  const measured = data.productsKnown ? algebra.errors(judged) : undefined;
  // What silos merge makes up for what the factors miss.
  const squared = measured && merge ? { ...measured, method: 0 } : measured;
  return {
    squared,
    diagnostics: {
      module: data.layout.module,
      ...relativeErrors(squared),
      squaredError: squared?.method ?? 0,
      ...(alignment.lambda === undefined ? {} : { lambda: alignment.lambda }),
      rotation: alignment.rotations.map((rotation) =>
        rotation ? distanceFromIdentity(rotation, data.layout.r) : 0,
      ),
      silos: siloDiagnostics(data, grams, measured && algebra.meanProduct()),
    },
  };
}

type RelativeErrors = Pick<
  ModuleDiagnostics,
  'aggregationError' | 'aggregationErrorFedit' | 'aggregationErrorBound'
>;

/** √(square / target), null where there is nothing to relate to. */
export function relativeErrors(squared: SquaredErrors | undefined): RelativeErrors {
  const relative = (square: number): number | null =>
    squared && squared.target > 0 ? Math.sqrt(Math.max(0, square) / squared.target) : null;
  return {
    aggregationError: relative(squared?.method ?? 0),
    aggregationErrorFedit: relative(squared?.fedit ?? 0),
    aggregationErrorBound: relative(squared?.bound ?? 0),
  };
}
