import { jsKernels, type Kernels } from './kernels.js';
import { wasmKernels } from './wasm-kernels.js';

let chosen: Kernels | undefined;

/** WebAssembly SIMD, or plain JavaScript in an engine without it (Node with --jitless). One a thread. */
export function fastKernels(): Kernels {
  return (chosen ??= firstThatRuns());
}

function firstThatRuns(): Kernels {
  try {
    return wasmKernels();
  } catch {
    return jsKernels;
  }
}
