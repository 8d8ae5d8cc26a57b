import type { Node } from '../ir/graph.js';
import type { ValueTypes } from '../shapes/extent.js';
import type { Emitter } from './emitter.js';
import { NodeView, type Constants } from './node-view.js';

/** Gradients by input; undefined where there is none. Each has the type and the run-time shape of its input. */
export type Gradients = readonly (string | undefined)[];

/** Emits the nodes that turn gradients of a node's outputs into gradients of its inputs. */
export type GradientRule = (call: Call) => Gradients;

/** What rules refuse whose gradient is a Reshape, which can say that a dimension is 0 from opset 14 on (allowzero). */
export const NO_EMPTY_BELOW_14 = 'below opset 14: empty tensors';

/** One line of the table: which operator, from which version of it on, and what to emit. */
export interface OpRule {
  readonly op: string;
  /** Default '', ai.onnx. */
  readonly domain?: string;
  /** Versions of the operator that this line covers, as the operator's history lists them (its "since" versions). */
  readonly versions: readonly number[];
  /** Forms that are refused, for the documents. */
  readonly refuses?: readonly string[];
  readonly gradient: GradientRule;
}

/** A node as its gradient rule sees it. */
export class Call extends NodeView {
  constructor(
    node: Node,
    version: number,
    emit: Emitter,
    types: ValueTypes,
    constants: Constants,
    private readonly outputGradients: readonly (string | undefined)[],
    private readonly wantedInputs: readonly boolean[],
  ) {
    super(node, version, emit, types, constants);
  }

  /** True where the gradient of this input is asked for. */
  wants(input: number): boolean {
    return this.wantedInputs[input] ?? false;
  }

  /** Gradient of an output, or undefined where nothing that counts depends on it. */
  dyOr(output: number): string | undefined {
    return this.outputGradients[output];
  }

  /** Gradient of an output; zeros where nothing depends on it. */
  dy(output = 0): string {
    const { emit } = this;
    return (
      this.outputGradients[output] ??
      emit.zeros(emit.shape(this.y(output), this.dims(this.y(output))), this.type(this.y(output)))
    );
  }

  /** A gradient of the first output's shape, summed over the dimensions along which `input` was broadcast. */
  sumTo(gradient: string, input: number): string {
    return this.emit.sumTo(gradient, this.yDims(), this.xDims(input), this.x(input), this.where);
  }
}
