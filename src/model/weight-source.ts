import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import { elementCount } from '../tensor/dtype.js';
import type { Checkpoint } from './checkpoint.js';

export interface WeightSourceOptions {
  /**
   * The prefix that the whole model puts before its base model's names, e.g. `bert.`; a checkpoint of the
   * base model alone leaves it out (transformers: base_model_prefix).
   */
  readonly basePrefix: string;
  /** Standard deviation of weights that have to be made (config.initializer_range). */
  readonly initializerRange: number;
  /** What made weights derive from. */
  readonly seed: number;
  /** Modules that are made anew even where the checkpoint has them, with everything below them. */
  readonly newModules: readonly string[];
}

/** Where a missing module may be made anew, as transformers does with a warning. */
export type Missing = 'refuse' | 'make';

/** A checkpoint's tensors under the names of the whole model, whatever the checkpoint calls them. */
export class WeightSource {
  readonly #used = new Set<string>();
  readonly #made = new Set<string>();

  constructor(
    readonly checkpoint: Checkpoint,
    readonly options: WeightSourceOptions,
  ) {}

  /** Modules whose weights were drawn at random because the checkpoint has none, in order of name. */
  get made(): readonly string[] {
    return [...this.#made].sort();
  }

  /** Tensors of the checkpoint that the model does not use, in order of name. */
  get unused(): readonly string[] {
    return this.checkpoint.names.filter((name) => !this.#used.has(name));
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** Undefined where the checkpoint has no such tensor. */
  shape(name: string): readonly number[] | undefined {
    const found = this.#find(name);
    return found === undefined ? undefined : this.checkpoint.shape(found);
  }

  /** Throws file_invalid where the tensor is missing or its shape is not the one that config.json implies. */
  read(name: string, shape: readonly number[]): Float32Array {
    const found = this.#find(name);
    if (found === undefined)
      throw new FedrotError(
        'file_invalid',
        `${this.checkpoint.folder}: the weights have no tensor ${name}, which a ${this.checkpoint.config.model_type} model needs`,
      );
    const actual = this.checkpoint.shape(found) ?? [];
    if (actual.join() !== shape.join())
      throw new FedrotError(
        'file_invalid',
        `${this.checkpoint.folder}: tensor ${found} has shape [${actual.join(', ')}], but config.json implies [${shape.join(', ')}]`,
      );
    this.#used.add(found);
    return this.checkpoint.read(found);
  }

  /** Whether a module's weights are drawn at random: they are missing, or a new one was asked for. */
  isMade(module: string): boolean {
    return this.#isNew(module) || !this.has(`${module}.weight`);
  }

  /**
   * A new linear module: weight from N(0, initializerRange²), a stream of its own by seed and name; bias 0.
   */
  make(
    module: string,
    [out, inner]: readonly [number, number],
  ): { readonly weight: Float32Array; readonly bias: Float32Array } {
    this.#made.add(module);
    const random = Random.of(this.options.seed, 'made weights', module);
    const weight = new Float32Array(elementCount([out, inner]));
    for (let i = 0; i < weight.length; i++) weight[i] = random.normal(0, this.options.initializerRange);
    return { weight, bias: new Float32Array(out) };
  }

  #isNew(module: string): boolean {
    return this.options.newModules.some((name) => module === name || module.startsWith(`${name}.`));
  }

  #find(name: string): string | undefined {
    const { basePrefix } = this.options;
    const bare = name.startsWith(basePrefix) ? [name, name.slice(basePrefix.length)] : [name];
    // Checkpoints converted from TensorFlow call a norm's weight and bias gamma and beta.
    const candidates = bare.flatMap((each) => [
      each,
      each.replace(/(LayerNorm)\.weight$/, '$1.gamma').replace(/(LayerNorm)\.bias$/, '$1.beta'),
    ]);
    return candidates.find((candidate) => this.checkpoint.shape(candidate) !== undefined);
  }
}
