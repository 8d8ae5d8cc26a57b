import { int } from '../../ir/attributes.js';
import type { Call, GradientRule, Gradients, OpRule } from '../rule.js';

/** Only sums and plain writes are differentiated. */
function reduction(call: Call): 'none' | 'add' {
  const given = call.attribute('reduction', 'string') ?? 'none';
  return given === 'none' || given === 'add' ? given : call.refuse(`reduction "${given}"`);
}

/** Data are overwritten (no gradient there) or added to; each update gets the gradient of the place it went to. */
function scattered(call: Call, overwrite: (zeros: string) => string, read: () => string): Gradients {
  const { emit } = call;
  const type = call.type(call.y(0));
  const data = (): string => {
    if (reduction(call) === 'add') return call.dy();
    return overwrite(emit.zeros(emit.shape(call.x(2), call.xDims(2)), type));
  };
  reduction(call);
  return [call.wants(0) ? data() : undefined, undefined, call.wants(2) ? read() : undefined];
}

/** Where two updates go to the same place, and nothing is added, ONNX leaves open which one stays. */
const scatterElements: GradientRule = (call) => {
  const axis = { axis: int(call.int('axis', 0)) };
  return scattered(
    call,
    (zeros) => call.emit.op('ScatterElements', [call.dy(), call.x(1), zeros], axis),
    () => call.emit.op('GatherElements', [call.dy(), call.x(1)], axis),
  );
};

const scatterND: GradientRule = (call) =>
  scattered(
    call,
    (zeros) => call.emit.op('ScatterND', [call.dy(), call.x(1), zeros]),
    () => call.emit.op('GatherND', [call.dy(), call.x(1)]),
  );

export const scatterRules: readonly OpRule[] = [
  {
    op: 'ScatterElements',
    versions: [11, 13, 16, 18],
    gradient: scatterElements,
    refuses: ['reductions other than add'],
  },
  {
    op: 'ScatterND',
    versions: [11, 13, 16, 18],
    gradient: scatterND,
    refuses: ['reductions other than add'],
  },
];
