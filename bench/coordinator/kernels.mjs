// The coordinator's kernels on modules as they come in, without hash and disk: averaged, or rotated to a published adapter first.
import { fastKernels } from '../../dist/align/fast-kernels.js';
import { norm, rotationOf } from '../../dist/align/rotate.js';
import { softRotation } from '../../dist/align/procrustes.js';
import { FactorSums } from '../../dist/align/row-factors.js';
import { fromManifest } from '../../dist/tensor/manifest.js';

const kernels = fastKernels();
const LAMBDA = 0.6;
const WEIGHT = 0.125;

/** All streams share sums and references, as the silos of a round do. */
const state = [];

/** Sums of a module, and what it is rotated to: for want of a published adapter the first that came. */
function startOf({ r, n }, bytes) {
  const reference = new Float32Array(bytes.buffer.slice(0, 4 * r * n));
  return { sums: new FactorSums(kernels, { r, in: n, out: n }), reference, norm: norm(reference) };
}

/** A and B as they lie: a mean does not care. */
function addPlainly({ sums }, { r, n }, values) {
  const [a, bt] = [values.subarray(0, r * n), values.subarray(r * n)];
  sums.add(WEIGHT, undefined, { a, bt });
}

/** Where B is transposed; one module is worked on at a time. */
const room = new Float32Array(2 ** 20);

function addAligned(at, { r, n }, values) {
  const a = values.subarray(0, r * n);
  const bt = kernels.transpose(values.subarray(r * n), n, r, room.subarray(0, r * n));
  const factors = { r, in: n, out: n, a, bt };
  const gram = { m: kernels.gram(a, r, at.reference, r, n), scale: norm(a) * at.norm };
  const rotation = softRotation(rotationOf(gram, r, false), r, LAMBDA);
  at.sums.add(WEIGHT, rotation, factors);
}

/** A stream's handler. */
export function moduleKernels(align) {
  let layout;
  let module = 0;
  let filled = 0;
  let bytes;
  const finish = () => {
    const at = (state[module] ??= startOf(layout, bytes));
    (align ? addAligned : addPlainly)(at, layout, new Float32Array(bytes.buffer));
    module++;
    filled = 0;
  };
  return {
    take({ begin, chunk }) {
      if (begin) {
        const [a] = fromManifest(begin.manifest);
        layout = { r: a.shape[0], n: a.shape[1] };
        bytes = new Uint8Array(8 * layout.r * layout.n);
      }
      for (let from = 0; chunk && from < chunk.data.length;) {
        const count = Math.min(bytes.length - filled, chunk.data.length - from);
        bytes.set(chunk.data.subarray(from, from + count), filled);
        filled += count;
        from += count;
        if (filled === bytes.length) finish();
      }
    },
    end: () => undefined,
  };
}
