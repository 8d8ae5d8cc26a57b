import { FedrotError } from '../../errors.js';
import { fits } from '../../name-patterns.js';
import type { RunSpec } from '../../run-spec.js';

/** Whether a run admits a silo, by its specification. */
export function admits(spec: Pick<RunSpec, 'silos'>, silo: string): boolean {
  return fits(spec.silos, silo);
}

/** The run, for a silo that takes part in it. Throws permission_denied. */
export function requireAdmitted<T extends { readonly runId: string; readonly spec: Pick<RunSpec, 'silos'> }>(
  run: T,
  silo: string,
): T {
  if (admits(run.spec, silo)) return run;
  throw new FedrotError(
    'permission_denied',
    `run ${run.runId} does not admit silo ${silo}; its operator names the silos that take part (silos)`,
  );
}

/** Throws permission_denied for a bundle that no run gives to the silo. */
export function requireBundleOf(
  runs: readonly { readonly spec: Pick<RunSpec, 'silos' | 'bundle'> }[],
  bundle: string,
  silo: string,
): void {
  if (runs.some(({ spec }) => spec.bundle === bundle && admits(spec, silo))) return;
  throw new FedrotError(
    'permission_denied',
    `bundle ${bundle.slice(0, 64)} belongs to no run that admits silo ${silo}`,
  );
}
