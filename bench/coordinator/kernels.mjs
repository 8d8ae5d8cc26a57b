// The coordinator's kernels on modules as they come in, without hash and disk: averaged, or rotated to a published adapter first.
import { fastKernels } from '../../dist/align/fast-kernels.js';
import { norm, rotationOf } from '../../dist/align/rotate.js';
import { softRotation } from '../../dist/align/procrustes.js';
import { SentSums } from '../../dist/align/sent-sums.js';
import { fromManifest } from '../../dist/tensor/manifest.js';

const kernels = fastKernels();
const LAMBDA = 0.6;
const WEIGHT = 0.125;

/** All streams share sums and references, as the silos of a round do. */
const state = [];

/** Sums of a module, and what it is rotated to: for want of a published adapter the first that came. */
function startOf({ r, n }, align, bytes) {
  const reference = new Float32Array(bytes.buffer.slice(0, 4 * r * n));
  return { sums: new SentSums(kernels, { r, in: n, out: n }, !align), reference, norm: norm(reference) };
}

const factorsOf = ({ r, n }, values) => ({ a: values.subarray(0, r * n), b: values.subarray(r * n) });

function addPlainly({ sums }, layout, values) {
  sums.add(WEIGHT, undefined, factorsOf(layout, values));
}

function addAligned(at, layout, values) {
  const { r, n } = layout;
  const { a, b } = factorsOf(layout, values);
  const gram = { m: kernels.gram(a, r, at.reference, r, n), scale: Math.sqrt(kernels.squares(a)) * at.norm };
  const rotation = softRotation(rotationOf(gram, r, false), r, LAMBDA);
  at.sums.add(WEIGHT, rotation, { a, b });
}

/** A stream's handler. */
export function moduleKernels(align) {
  let layout;
  let module = 0;
  let filled = 0;
  let bytes;
  const finish = () => {
    const at = (state[module] ??= startOf(layout, align, bytes));
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
