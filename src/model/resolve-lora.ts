import { FedrotError } from '../errors.js';
import { loraScale, type LoraSpec } from '../run-spec.js';
import type { AdaptableModule, DenseModule } from '../train/modules.js';
import type { LoraSite } from '../train/session-types.js';
import type { Bundle } from './bundle.js';

/** PEFT's word for every linear module but the head. */
const ALL_LINEAR = 'all-linear';

/**
 * What a run trains: the modules that get LoRA factors, and those trained in full, each in the order of the
 * model.
 */
export interface ResolvedLora {
  readonly lora: readonly LoraSite[];
  readonly dense: readonly DenseModule[];
}

export type LoraTargets = Pick<LoraSpec, 'rank' | 'alpha' | 'rsLora' | 'targetModules' | 'modulesToSave'>;

/**
 * Finds the modules that a LoRA specification names, by PEFT's rules (0.21): a target is a module's name or
 * its end after a dot, `all-linear`, or a regular expression between slashes; a module to save is any module whose name ends so (`classifier` means
 * pre_classifier too), with everything below it. What is trained in full gets no factors. Throws
 * option_invalid for a name that fits nothing, with the names that would.
 */
export function resolveLora(bundle: Pick<Bundle, 'manifest'>, spec: LoraTargets): ResolvedLora {
  const { adaptable, dense } = bundle.manifest.modules;
  const saved = dense.filter((module) => spec.modulesToSave.some((key) => isSaved(module, key)));
  const lost = spec.modulesToSave.filter((key) => !dense.some((module) => isSaved(module, key)));
  if (lost.length > 0) throw unmatched('modulesToSave', lost, dense);

  const inFull = new Set(saved.map(({ name }) => name));
  const free = adaptable.filter(({ name }) => !inFull.has(name) && !isHead(bundle, name));
  const both = adaptable.find(({ name }) => inFull.has(name) && spec.targetModules.includes(name));
  if (both)
    throw new FedrotError(
      'option_invalid',
      `lora.targetModules: ${both.name} is trained in full (lora.modulesToSave); name it in one of the two only`,
    );
  const absent = spec.targetModules.filter((target) => !adaptable.some((module) => isTarget(module, target)));
  if (absent.length > 0) throw unmatched('targetModules', absent, adaptable);
  const adapted = adaptable.filter((module) =>
    spec.targetModules.some((target) =>
      target === ALL_LINEAR ? free.includes(module) : !inFull.has(module.name) && isTarget(module, target),
    ),
  );
  if (adapted.length === 0)
    throw new FedrotError(
      'option_invalid',
      `lora.targetModules: everything that ${spec.targetModules.join(', ')} means is trained in full (lora.modulesToSave); there is nothing left to adapt`,
    );
  const site = { rank: spec.rank, scale: loraScale(spec) };
  return { lora: adapted.map((module) => ({ module, ...site })), dense: saved };
}

function isTarget({ name }: AdaptableModule, target: string): boolean {
  const pattern = patternOf(target);
  if (pattern !== undefined) return pattern.test(name);
  return target === ALL_LINEAR || name === target || name.endsWith(`.${target}`);
}

/** `/…/` is a regular expression for the whole name, as PEFT takes a target that is one string (re.fullmatch). */
function patternOf(target: string): RegExp | undefined {
  const source = /^\/(.+)\/$/s.exec(target)?.[1];
  if (source === undefined) return undefined;
  try {
    return new RegExp(`^(?:${source})$`, 'u');
  } catch (cause) {
    throw new FedrotError('option_invalid', `lora.targetModules: ${target} is no regular expression`, {
      cause,
    });
  }
}

/** Whether the module or one that contains it has a name that ends so. */
function isSaved({ name }: DenseModule, key: string): boolean {
  const parts = name.split('.');
  return parts.some((_part, index) =>
    parts
      .slice(0, index + 1)
      .join('.')
      .endsWith(key),
  );
}

function isHead({ manifest }: Pick<Bundle, 'manifest'>, name: string): boolean {
  return manifest.modules.head.some((head) => name === head || name.startsWith(`${head}.`));
}

function unmatched(
  option: 'targetModules' | 'modulesToSave',
  names: readonly string[],
  candidates: readonly { readonly name: string }[],
): FedrotError {
  const ends = [...new Set(candidates.map(({ name }) => shortName(name)))].sort();
  return new FedrotError(
    'option_invalid',
    `lora.${option}: the model has no module ${names.join(', ')}; it has ${ends.join(', ')} (or a whole name, such as ${candidates[0]?.name ?? 'none'})`,
    { details: { candidates: candidates.map(({ name }) => name) } },
  );
}

/** The part of a name behind the layer's number: the same in all layers. */
function shortName(name: string): string {
  return /\.\d+\.(.+)$/.exec(name)?.[1] ?? name;
}
