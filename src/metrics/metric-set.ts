import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type { Counter, Gauge, Histogram };

/** One metric as docs/metrics.md and the tests of rules and dashboards need it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** prom-client keeps these of a metric, its types do not say so. */
interface Described {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/**
 * The metrics of one process, by Prometheus' conventions (base units, counters end in _total, bounded label sets). The only
 * file that knows prom-client.
 */
export class MetricSet {
  readonly #registry = new Registry();

  counter<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  gauge<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  /** `buckets`: upper bounds, ascending, in the metric's unit. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({
      name,
      help,
      labelNames: [...labels],
      buckets: [...buckets],
      registers: [this.#registry],
    });
  }

  /** Processor time, memory, open files, garbage collection and the lag of the event loop. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text that Prometheus scrapes. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** In order of name. */
  describe(): readonly MetricDescription[] {
    const metrics = this.#registry.getMetricsAsArray() as unknown as readonly Described[];
    return metrics
      .map(({ name, type, help, labelNames = [] }) => ({ name, type, help, labels: [...labelNames] }))
      .sort((x, y) => (x.name < y.name ? -1 : 1));
  }
}
