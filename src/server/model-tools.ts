import type { RunSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';

/**
 * What the coordinator cannot do itself, because it knows no models (docs/architecture.md): the command line gives it these, so
 * that a run can be started and an adapter taken away over HTTP too.
 */
export interface ModelTools {
  /** Version 0 of a run's adapter from a complete bundle's folder, as `fedrot run create` makes it. Throws option_invalid. */
  initialAdapter(bundleFolder: string, spec: RunSpec): Promise<readonly NamedTensor[]>;
  /** adapter_config.json for PEFT. */
  adapterConfig(
    spec: RunSpec,
    tensorNames: readonly string[],
    baseModel: string | null,
  ): Promise<Readonly<Record<string, unknown>>>;
}
