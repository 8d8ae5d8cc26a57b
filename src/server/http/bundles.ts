import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { BundleModel, BundleView } from '../../api/types.js';
import { MANIFEST_FILE } from '../../bundle-names.js';
import type { Coordinator } from '../coordinator/coordinator.js';

/** What is shown of a bundle's manifest (docs/bundle.md); the whole is between operator and silos. */
const manifestSchema = z.object({
  task: z.object({ kind: z.string(), labels: z.array(z.string()) }),
  model: z.object({
    maxTokens: z.number(),
    pooling: z.literal('mean').nullish(),
    quantization: z.object({ bits: z.number() }).nullish(),
  }),
  base: z.object({ name: z.string().nullable(), architecture: z.string(), configName: z.string().nullish() }),
  modules: z.object({
    adaptable: z.array(z.object({ name: z.string() })),
    head: z.array(z.string()),
  }),
});

/** Bundles are named by what they hold, so what was read of one stays true. */
export class BundleShelf {
  readonly #known = new Map<string, BundleModel | null>();

  constructor(private readonly coordinator: Coordinator) {}

  async list(): Promise<readonly BundleView[]> {
    const bundles = await this.coordinator.bundles.list();
    return Promise.all(
      bundles.map(async ({ sha256, bytes, complete }) => ({
        sha256,
        bytes,
        complete,
        model: complete ? await this.model(sha256) : null,
      })),
    );
  }

  /** Null where there is no such bundle, or this version does not read its manifest. */
  async model(sha256: string): Promise<BundleModel | null> {
    const known = this.#known.get(sha256);
    if (known !== undefined) return known;
    try {
      const text = await readFile(this.coordinator.bundles.pathOf(sha256, MANIFEST_FILE), 'utf8');
      const parsed = manifestSchema.safeParse(JSON.parse(text));
      const model = parsed.success ? modelOf(parsed.data) : null;
      this.#known.set(sha256, model);
      return model;
    } catch {
      return null;
    }
  }
}

function modelOf({ task, model, base, modules }: z.output<typeof manifestSchema>): BundleModel {
  const ends = new Map<string, number>();
  const isHead = (name: string): boolean =>
    modules.head.some((head) => name === head || name.startsWith(`${head}.`));
  for (const { name } of modules.adaptable) {
    if (isHead(name)) continue;
    const end = name.slice(name.lastIndexOf('.') + 1);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  return {
    name: base.name ?? base.configName ?? null,
    architecture: base.architecture,
    task: task.kind,
    labels: task.labels,
    maxTokens: model.maxTokens,
    pooling: model.pooling ?? null,
    quantizedBits: model.quantization?.bits ?? null,
    targets: [...ends].map(([name, count]) => ({ name, modules: count })),
    head: modules.head,
  };
}
