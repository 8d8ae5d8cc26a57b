import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiloInstructions } from '../align/instructions.js';
import { atRank, keptTensors, loraOfRank, ownRank, withOwn } from '../client/fit-task.js';
import { productsOf } from '../client/merged-bases.js';
import type { Bundle } from '../model/bundle.js';
import { mergeBase } from '../model/merge-base.js';
import { loraScale, type RunSpec } from '../run-spec.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';

/** A model as it is trained or scored. */
export interface SiloModel {
  readonly bundle: Bundle;
  readonly spec: RunSpec;
  readonly adapter: readonly NamedTensor[];
}

export interface SiloModelsOptions {
  readonly bundle: Bundle;
  readonly spec: RunSpec;
  /** Ranks of the silos' own; a silo that is not in it has the run's. */
  readonly ranks: ReadonlyMap<string, number>;
  /** For a base that versions are merged into; it is this trial's alone. */
  readonly folder: string;
}

/**
 * What silos have beside the published adapter, by the rules of a silo's daemon: ranks of their own, factors that they keep (fedsa's B), and
 * the base into which versions were merged (flora, fedex), which is the same for all of them.
 */
export class SiloModels {
  readonly #own = new Map<string, readonly NamedTensor[]>();
  #base: Bundle;

  constructor(private readonly options: SiloModelsOptions) {
    this.#base = options.bundle;
  }

  /** The base with everything merged so far. */
  get base(): Bundle {
    return this.#base;
  }

  /** What a silo trains from a start, published or its own. Throws option_invalid where the method needs the same rank from all. */
  training(silo: string, start: readonly NamedTensor[], instructions: SiloInstructions): SiloModel {
    const { spec, ranks } = this.options;
    const rank = ownRank(ranks.get(silo), spec, instructions);
    return {
      bundle: this.#base,
      spec: { ...spec, lora: loraOfRank(spec.lora, rank) },
      adapter: atRank(this.#withOwn(silo, start), rank, instructions),
    };
  }

  /** What a silo answers with when it is asked for a prediction. */
  scored(silo: string, published: readonly NamedTensor[]): SiloModel {
    return { bundle: this.#base, spec: this.options.spec, adapter: this.#withOwn(silo, published) };
  }

  /** Keeps what the method leaves with the silo. */
  keep(silo: string, trained: readonly NamedTensor[], instructions: SiloInstructions): void {
    const kept = keptTensors(trained, instructions);
    if (kept.length > 0) this.#own.set(silo, kept);
  }

  /** Adds a version's merge file to the base. Throws as mergeBase. */
  async merge(version: number, source: TensorSource): Promise<void> {
    const { bundle, spec, folder } = this.options;
    const before = this.#base;
    const scale = loraScale(spec.lora);
    const merged = await mergeBase(before, [productsOf(source)], scale, join(folder, String(version)));
    this.#base = { ...merged, openTokenizer: () => bundle.openTokenizer() };
    if (before !== bundle) await rm(before.folder, { recursive: true });
  }

  async close(): Promise<void> {
    await rm(this.options.folder, { recursive: true, force: true });
  }

  #withOwn(silo: string, published: readonly NamedTensor[]): readonly NamedTensor[] {
    return withOwn(published, this.#own.get(silo) ?? []);
  }
}
