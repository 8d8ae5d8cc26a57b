import { fitRank } from '../align/fit-rank.js';
import { adapterLayout, type ModuleLayout } from '../align/layout.js';
import { FedrotError } from '../errors.js';
import { loadAdapter } from '../model/load-adapter.js';
import { Random } from '../random.js';
import { loraScale, type LoraSpec } from '../run-spec.js';
import { memorySource, tensorInfos } from '../tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';

/** An adapter that a silo has of its own, and the settings that it was trained with. */
export interface OwnAdapter {
  readonly settings: Pick<LoraSpec, 'rank' | 'alpha' | 'rsLora'>;
  readonly tensors: readonly NamedTensor[];
}

/** Reads the adapter that the configuration names. Throws as readPeftAdapter does. */
export async function readOwnAdapter(folder: string | undefined): Promise<OwnAdapter | undefined> {
  return folder === undefined ? undefined : loadAdapter(folder);
}

/**
 * What a silo starts round 1 from where a run says so (training.start): its own adapter at the run's rank and scale, with the product
 * s · B · A that it had, or nearest to it where its rank was larger; heads of its own where it has them, else the published ones.
 * Rows that a smaller rank leaves free, and the whole of A for a silo without an adapter, are drawn from the seed as PEFT does
 * (Kaiming-uniform with a = √5), with B = 0: they change nothing yet. Throws tensor_name or tensor_shape for another model's adapter.
 */
export function ownStart(
  published: readonly NamedTensor[],
  lora: LoraSpec,
  own: OwnAdapter | undefined,
  seed: readonly (string | number)[],
): readonly NamedTensor[] {
  const fitted = own && fitRank(own.tensors, lora.rank, 'svd');
  const source = fitted && memorySource(fitted);
  const scale = own ? loraScale({ ...lora, ...own.settings }) / loraScale(lora) : 1;
  const started = new Map<string, NamedTensor>();
  const ours = source ? adapterLayout(source.tensors).modules : [];
  for (const layout of adapterLayout(tensorInfos(published)).modules) {
    const mine = source && { source, layout: sameModule(layout, ours) };
    for (const tensor of startOf(layout, mine, scale, Random.of('own start', ...seed, layout.module)))
      started.set(tensor.name, tensor);
  }
  return published.map((tensor) => started.get(tensor.name) ?? ownHead(tensor, fitted) ?? tensor);
}

function sameModule(layout: ModuleLayout, ours: readonly ModuleLayout[]): ModuleLayout {
  const mine = ours.find(({ module }) => module === layout.module);
  if (mine?.in === layout.in && mine.out === layout.out) return mine;
  throw new FedrotError(
    mine ? 'tensor_shape' : 'tensor_name',
    `the silo's own adapter has no factors for module ${layout.module} (${layout.in} → ${layout.out})`,
  );
}

function startOf(
  { a, b, r, in: inputs, out }: ModuleLayout,
  own: { readonly source: TensorSource; readonly layout: ModuleLayout } | undefined,
  scale: number,
  random: Random,
): NamedTensor[] {
  const bound = 1 / Math.sqrt(inputs);
  const rows = Float32Array.from({ length: r * inputs }, () => random.uniform(-bound, bound));
  const columns = new Float32Array(out * r);
  if (own) {
    const { layout, source } = own;
    rows.set(source.read(layout.a));
    const old = source.read(layout.b);
    for (let row = 0; row < out; row++)
      for (let k = 0; k < layout.r; k++) columns[row * r + k] = scale * (old[row * layout.r + k] ?? 0);
  }
  return [
    { name: a, shape: [r, inputs], data: rows },
    { name: b, shape: [out, r], data: columns },
  ];
}

function ownHead(tensor: NamedTensor, own: readonly NamedTensor[] | undefined): NamedTensor | undefined {
  const mine = own?.find(({ name }) => name === tensor.name);
  return mine?.data.length === tensor.data.length ? mine : undefined;
}
