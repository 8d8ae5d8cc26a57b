import { siloInstructionsSchema, type SiloInstructions } from '../align/instructions.js';
import { FedrotError } from '../errors.js';
import { NAME, SHA256 } from '../name.js';
import { parseRunSpec, type RunSpec } from '../run-spec.js';

/** What the coordinator says in a task, checked before anything is done with it. Everything throws option_invalid. */

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FedrotError('option_invalid', `the task's ${what} are not JSON`, { cause });
  }
}

/** The run's settings; throws as parseRunSpec too. */
export function readSpec({ specJson }: { readonly specJson: string }): RunSpec {
  return parseRunSpec(parseJson(specJson, 'settings'), 'the run');
}

/** What the run's method asks of silos. */
export function readInstructions({
  instructionsJson,
}: {
  readonly instructionsJson: string;
}): SiloInstructions {
  if (instructionsJson === '') return { train: 'both' };
  const parsed = siloInstructionsSchema.safeParse(parseJson(instructionsJson, 'instructions'));
  if (parsed.success) return parsed.data;
  throw new FedrotError(
    'option_invalid',
    'the run asks for something that this version of the silo cannot do; update it',
    { cause: parsed.error },
  );
}

export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined)
    throw new FedrotError('option_invalid', `the coordinator sent a task without ${what}`);
  return value;
}

/** Names of bundles become names of folders: nothing else gets near the disk. */
export function requireHash(bundle: string): string {
  if (SHA256.test(bundle)) return bundle;
  throw new FedrotError('option_invalid', 'the coordinator names a bundle by something that is no SHA-256');
}

/** The same of runs. */
export function requireRunName(runId: string): void {
  if (!NAME.test(runId))
    throw new FedrotError('option_invalid', 'the coordinator names a run by something that is no name');
}
