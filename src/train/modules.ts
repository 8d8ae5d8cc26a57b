/** Where the modules of a model lie in its ONNX graph: found by the importer, kept in the bundle's manifest. */

/** A linear module that LoRA can adapt. */
export interface AdaptableModule {
  /** As the checkpoint names it, e.g. `bert.encoder.layer.0.attention.self.query`. */
  readonly name: string;
  readonly in: number;
  readonly out: number;
  readonly weight: {
    /** Name of the initializer in the graph. */
    readonly initializer: string;
    /** How the matrix lies: MatMul uses in × out; a Gemm with transB uses out × in. */
    readonly layout: 'in_out' | 'out_in';
    /** Where several modules share one matrix (fused q, k, v): the first output column of this one. */
    readonly firstOutput?: number;
  };
}

/** A module that can be trained in full (modules_to_save), e.g. `classifier` with `weight` and `bias`. */
export interface DenseModule {
  readonly name: string;
  readonly tensors: readonly {
    /** `weight` or `bias`, as in PEFT's tensor name `base_model.model.<module>.<parameter>`. */
    readonly parameter: string;
    readonly initializer: string;
    /** Shape as PEFT saves it (a linear weight is out × in). */
    readonly shape: readonly number[];
    /** True where the graph holds the matrix transposed against `shape`. */
    readonly transposed: boolean;
  }[];
}
