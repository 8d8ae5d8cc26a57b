import type { RunSummary, SiloTask } from '../../api/types.js';

/** What of a list is new or changed since the last look. */
export class Changes<T> {
  #known = new Map<string, string>();

  constructor(private readonly keyOf: (entry: T) => string) {}

  /** `whole`: entries have gone, so that all that are left are given. */
  take(entries: readonly T[]): { readonly changed: readonly T[]; readonly whole: boolean } {
    const seen = new Map(entries.map((entry) => [this.keyOf(entry), JSON.stringify(entry)]));
    const whole = [...this.#known.keys()].some((key) => !seen.has(key));
    const changed = entries.filter((entry) => {
      const key = this.keyOf(entry);
      return whole || this.#known.get(key) !== seen.get(key);
    });
    this.#known = seen;
    return { changed, whole };
  }
}

export const runChanges = (): Changes<RunSummary> => new Changes(({ id }) => id);
export const taskChanges = (): Changes<SiloTask> => new Changes(({ silo }) => silo);
