// Comparisons with what PyTorch + PEFT computed (../shared/data/golden/train/README.md), on any trainer that speaks
// like src/train/trainer.ts. Knows no files.

/** Relative to the tensor's largest entry; the loss and AdamW's parameters are absolute. */
export const TOLERANCE = {
  logits: 2e-5,
  gradient: 2e-5,
  sgd: 2e-5,
  loss: 1e-5,
  adamw: 1e-4,
  /** Entries with a reference gradient below SMALL_GRADIENT: AdamW divides by its size. */
  adamwSmall: 3e-2,
  /** How many of all entries may need that. */
  adamwShare: 0.02,
};
const SMALL_GRADIENT = 1e-4;

const ADAMW = {
  kind: 'adamw',
  learningRate: 1e-2,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
};
const SGD = { kind: 'sgd', learningRate: 0.1, momentum: 0, weightDecay: 0 };
const STEPS = 3;

/** Largest difference relative to the reference's largest entry; Infinity for another number of entries, NaN for NaN. */
export function relativeError(actual, expected) {
  if (expected === undefined || actual.length !== expected.length) return Infinity;
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    worst = difference <= worst ? worst : difference;
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return worst === 0 ? 0 : worst / scale;
}

const row = (check, error, tolerance) => ({ check, error, tolerance, ok: error <= tolerance });

/**
 * Every check of one model with one adapter. `start` is the adapter's tensors, `expected` the reference's by name, `losses` the scalars of
 * expected.json that belong to the adapter, `base` whether logits.base is compared (all B set to zero).
 */
export async function checkGolden(trainer, { start, batch, expected, losses, base }) {
  const rows = [];
  const want = (name) => expected.get(name)?.data;
  if (base) {
    await trainer.load(
      start.map((t) => (t.name.includes('lora_B') ? { ...t, data: new Float32Array(t.data.length) } : t)),
    );
    const { logits, lossSum, count } = await trainer.evaluate(batch);
    rows.push(row('logits.base', relativeError(logits.data, want('logits.base')), TOLERANCE.logits));
    if (losses.loss_base !== undefined)
      rows.push(row('loss_base', Math.abs(lossSum / count - losses.loss_base), TOLERANCE.loss));
  }
  await trainer.load(start);
  const { logits, lossSum, count } = await trainer.evaluate(batch);
  rows.push(row('logits.lora', relativeError(logits.data, want('logits.lora')), TOLERANCE.logits));
  rows.push(row('loss_lora.forward', Math.abs(lossSum / count - losses.loss_lora), TOLERANCE.loss));
  const { loss, gradients } = await trainer.gradients(batch);
  rows.push(row('loss_lora', Math.abs(loss - losses.loss_lora), TOLERANCE.loss));
  for (const { name, data } of gradients)
    rows.push(row(`grad.${name}`, relativeError(data, want(`grad.${name}`)), TOLERANCE.gradient));
  const missing = [...expected.keys()]
    .filter((name) => name.startsWith('grad.'))
    .filter((name) => !gradients.some((gradient) => `grad.${gradient.name}` === name));
  rows.push(row('grad: tensors of the reference without a gradient', missing.length, 0));

  for (const [kind, optimizer] of [
    ['adamw', ADAMW],
    ['sgd', SGD],
  ]) {
    await trainer.load(start);
    await trainer.resetOptimizer(optimizer);
    for (let step = 0; step < STEPS; step++) {
      const { loss: before } = await trainer.step([batch]);
      rows.push(row(`${kind}.loss${step}`, Math.abs(before - losses[kind].losses[step]), TOLERANCE.loss));
    }
    const after = await trainer.evaluate(batch);
    const last = losses[kind].losses[STEPS];
    if (last !== undefined)
      rows.push(row(`${kind}.loss${STEPS}`, Math.abs(after.lossSum / after.count - last), TOLERANCE.loss));
    const tensors = await trainer.read();
    if (kind === 'adamw') rows.push(...adamwRows(tensors, want));
    else
      for (const { name, data } of tensors)
        rows.push(row(`sgd.step3.${name}`, relativeError(data, want(`sgd.step3.${name}`)), TOLERANCE.sgd));
  }
  return rows;
}

/** The bound for small gradients, its share of all entries, and zeros that must stay zeros. */
function adamwRows(tensors, want) {
  let loose = 0;
  let entries = 0;
  let changedZeros = 0;
  const rows = tensors.flatMap(({ name, data }) => {
    const reference = want(`adamw.step3.${name}`) ?? [];
    const gradient = want(`grad.${name}`) ?? [];
    let worst = 0;
    let worstSmall = 0;
    data.forEach((value, i) => {
      const difference = Math.abs(value - reference[i]);
      entries++;
      if (reference[i] === 0 && value !== 0) changedZeros++;
      if (Math.abs(gradient[i]) < SMALL_GRADIENT) {
        worstSmall = difference <= worstSmall ? worstSmall : difference;
        if (!(difference <= TOLERANCE.adamw)) loose++;
      } else worst = difference <= worst ? worst : difference;
    });
    return [
      row(`adamw.step3.${name}`, worst, TOLERANCE.adamw),
      row(`adamw.step3.small gradients.${name}`, worstSmall, TOLERANCE.adamwSmall),
    ];
  });
  return [
    ...rows,
    row('adamw.step3: share of entries beyond 1e-4', loose / entries, TOLERANCE.adamwShare),
    row('adamw.step3: zeros that changed', changedZeros, 0),
  ];
}
