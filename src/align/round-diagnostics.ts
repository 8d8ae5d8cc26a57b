import { relativeErrors, type DiagnosedModule } from './diagnose-module.js';
import type { SquaredErrors } from './errors.js';
import type { SiloUpdate } from './module-data.js';
import type { RoundDiagnostics } from './types.js';

/** All modules together. */
export function roundDiagnostics(
  diagnosed: readonly DiagnosedModule[],
  updates: readonly Pick<SiloUpdate, 'silo'>[],
): RoundDiagnostics {
  const known = diagnosed.flatMap(({ squared }) => (squared ? [squared] : []));
  const sum = (key: keyof SquaredErrors): number => known.reduce((acc, squared) => acc + squared[key], 0);
  const squared = { method: sum('method'), fedit: sum('fedit'), bound: sum('bound'), target: sum('target') };
  const silos = diagnosed.flatMap(({ diagnostics }) => diagnostics.silos);
  const misaligned = silos.reduce((acc, { misalignment }) => acc + misalignment, 0);
  return {
    ...relativeErrors(known.length === diagnosed.length ? squared : undefined),
    misalignment: silos.length === 0 ? 0 : misaligned / silos.length,
    squaredError: squared.method,
    silos: updates.map(({ silo }) => silo),
    modules: diagnosed.map(({ diagnostics }) => diagnostics),
  };
}
