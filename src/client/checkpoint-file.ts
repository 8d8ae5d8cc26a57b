import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { optimizerSchema } from '../training-spec.js';
import { sha256Hex } from '../sha256.js';
import { encodeTensorFile } from '../tensor/encode-file.js';
import { openTensorFile } from '../tensor/safetensors-file.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { TrainingCheckpoint } from './training/training-checkpoint.js';
import { writeDurably } from './write-durably.js';

const sums = z.strictObject({
  loss: z.number(),
  labels: z.number(),
  tokens: z.number(),
  seconds: z.number(),
});

/** `<path>.json`; the tensors are in `<path>.safetensors`. */
const recordSchema = z.strictObject({
  runId: z.string(),
  round: z.int().min(1),
  /** What the rest of the training depends on beside the task: data, threads, software. */
  conditions: z.string(),
  /** Of the tensors beside it. */
  sha256: z.string(),
  step: z.int().min(1),
  sums,
  optimizer: z
    .strictObject({ spec: optimizerSchema, steps: z.array(z.int().min(0)), slots: z.array(z.int().min(0)) })
    .optional(),
});

export type CheckpointRecord = Readonly<z.output<typeof recordSchema>>;

/** Whose checkpoint it is. */
export type CheckpointOwner = Pick<CheckpointRecord, 'runId' | 'round' | 'conditions'>;

/** Stores a checkpoint durably; the record comes last, so that without it there is none. Throws what the file system throws. */
export async function writeCheckpoint(
  path: string,
  owner: CheckpointOwner,
  { step, sums: totals, state }: TrainingCheckpoint,
): Promise<void> {
  const { parameters, optimizer } = state;
  const { bytes, sha256 } = encodeTensorFile([
    ...parameters.map((tensor) => ({ ...tensor, name: `parameter/${tensor.name}` })),
    ...(optimizer?.states ?? []).flatMap(({ slots }, index) =>
      slots.map((data, slot) => ({ name: `optimizer/${index}/${slot}`, shape: [data.length], data })),
    ),
  ]);
  const record: CheckpointRecord = {
    ...owner,
    sha256,
    step,
    sums: totals,
    ...(optimizer && {
      optimizer: {
        spec: optimizer.spec,
        steps: optimizer.states.map((each) => each.step),
        slots: optimizer.states.map(({ slots }) => slots.length),
      },
    }),
  };
  await writeDurably(`${path}.safetensors`, bytes);
  await writeDurably(`${path}.json`, Buffer.from(JSON.stringify(record)));
}

/** Undefined where there is none, or it is damaged. */
export async function readRecord(path: string): Promise<CheckpointRecord | undefined> {
  try {
    return recordSchema.safeParse(JSON.parse(await readFile(`${path}.json`, 'utf8'))).data;
  } catch {
    return undefined; // not there, or cut by a crash of the machine
  }
}

/** The checkpoint of a record; undefined where its tensors are not the ones beside it. */
export async function readCheckpoint(
  path: string,
  { sha256, step, sums: totals, optimizer }: CheckpointRecord,
): Promise<TrainingCheckpoint | undefined> {
  const bytes = await readFile(`${path}.safetensors`).catch(() => undefined);
  if (bytes === undefined || sha256Hex(bytes) !== sha256) return undefined;
  const file = openTensorFile(`${path}.safetensors`);
  try {
    const parameters = file.tensors.flatMap(({ name, shape }): NamedTensor[] =>
      name.startsWith('parameter/')
        ? [{ name: name.slice('parameter/'.length), shape, data: file.read(name) }]
        : [],
    );
    const states = optimizer?.steps.map((count, index) => ({
      step: count,
      slots: Array.from({ length: optimizer.slots[index] ?? 0 }, (_, slot) =>
        file.read(`optimizer/${index}/${slot}`),
      ),
    }));
    const restored = optimizer && states && { optimizer: { spec: optimizer.spec, states } };
    return { step, sums: totals, state: { parameters, ...restored } };
  } finally {
    file.close();
  }
}
