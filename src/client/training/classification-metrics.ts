/** Counts of a classifier's decisions, filled batch by batch. */
export class ClassificationMetrics {
  readonly #hits: Float64Array;
  readonly #predicted: Float64Array;
  readonly #actual: Float64Array;

  constructor(readonly classes: number) {
    this.#hits = new Float64Array(classes);
    this.#predicted = new Float64Array(classes);
    this.#actual = new Float64Array(classes);
  }

  /** `logits` is rows × classes, row-major; the class of the largest one (the first of equals) is the decision. */
  add(logits: Float32Array, labels: readonly number[]): void {
    labels.forEach((label, row) => {
      this.count(argmax(logits.subarray(row * this.classes, (row + 1) * this.classes)), label);
    });
  }

  /** One decision. */
  count(decided: number, label: number): void {
    add(this.#predicted, decided);
    add(this.#actual, label);
    if (decided === label) add(this.#hits, label);
  }

  get examples(): number {
    return sum(this.#actual);
  }

  /** 0 to 1; NaN without examples. */
  get accuracy(): number {
    return sum(this.#hits) / this.examples;
  }

  /**
   * Mean of F1 = 2 · hits / (predicted + actual) over the classes that occur, in the labels or the decisions (scikit-learn's
   * f1_score with average='macro' and zero_division=0). 0 to 1; NaN without examples.
   */
  get macroF1(): number {
    const scores = [...this.#hits].flatMap((hits, label) => {
      const total = (this.#predicted[label] ?? 0) + (this.#actual[label] ?? 0);
      return total === 0 ? [] : [(2 * hits) / total];
    });
    return sum(scores) / scores.length;
  }
}

function add(counts: Float64Array, at: number): void {
  counts[at] = (counts[at] ?? 0) + 1;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function argmax(values: Float32Array): number {
  let best = 0;
  values.forEach((value, index) => {
    if (value > (values[best] ?? 0)) best = index;
  });
  return best;
}
