// The coordinator's kernels on modules as they come in, without hash and disk: averaged, or rotated to a published adapter first.
import { fastKernels } from '../../dist/align/fast-kernels.js';
import { crossGram, rotationOf } from '../../dist/align/rotate.js';
import { softRotation } from '../../dist/align/procrustes.js';
import { addRotated, emptySums, transposed } from '../../dist/align/row-factors.js';
import { fromManifest } from '../../dist/tensor/manifest.js';

const kernels = fastKernels();
const LAMBDA = 0.6;

/** All streams share sums and references, as the silos of a round do. */
const state = [];

/** A stream's handler. */
export function moduleKernels(align) {
  let layout;
  let module = 0;
  let filled = 0;
  let bytes;
  const finish = () => {
    const { r, n } = layout;
    const values = new Float32Array(bytes.buffer);
    const factors = {
      r,
      in: n,
      out: n,
      a: values.subarray(0, r * n),
      bt: transposed(values.subarray(r * n), n, r),
    };
    const at = (state[module] ??= {
      sums: emptySums(factors),
      reference: { ...factors, a: factors.a.slice() },
    });
    const rotation = align
      ? softRotation(rotationOf(crossGram(factors, at.reference, 'a', kernels), r, false), r, LAMBDA)
      : undefined;
    addRotated(kernels, at.sums, 0.125, rotation, factors);
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
