import { MetricSet, type MetricDescription } from '../metrics/metric-set.js';
import { PHASES, type Phase } from './progress-reporter.js';

/** Seconds of one optimizer step: from a toy to a large model on a small machine. */
const STEP_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** One optimizer step, or one batch that was scored. */
export interface StepMeasure {
  readonly kind: 'train' | 'evaluate';
  readonly loss: number;
  /** Without padding. */
  readonly tokens: number;
  readonly seconds: number;
}

/** Every metric of a silo's daemon. They tell of its data what an update tells (losses, counts), never a text. */
export class SiloMetrics {
  readonly #set = new MetricSet();

  readonly #info = this.#set.gauge('fedrot_silo_info', 'Always 1; says which silo and which software.', [
    'silo',
    'role',
    'version',
  ]);
  readonly #examples = this.#set.gauge('fedrot_silo_examples', 'Examples that the silo works with.');
  readonly #connected = this.#set.gauge(
    'fedrot_silo_connected',
    '1 while the coordinator answers heartbeats, else 0.',
  );
  readonly #offset = this.#set.gauge(
    'fedrot_silo_clock_offset_seconds',
    "The coordinator's clock minus this machine's, from the newest heartbeat.",
  );
  readonly #tasks = this.#set.counter(
    'fedrot_silo_tasks_total',
    'Tasks by kind and outcome: done, failed, abandoned (cancelled, or no longer wanted).',
    ['kind', 'outcome'],
  );
  readonly #phase = this.#set.gauge('fedrot_silo_task_phase', '1 for the phase of the task under way.', [
    'phase',
  ]);
  readonly #steps = this.#set.counter(
    'fedrot_silo_steps_total',
    'Optimizer steps (train) and scored batches (evaluate).',
    ['kind'],
  );
  readonly #tokens = this.#set.counter(
    'fedrot_silo_tokens_total',
    'Tokens worked through, padding not counted; its rate is tokens per second.',
    ['kind'],
  );
  readonly #stepSeconds = this.#set.histogram(
    'fedrot_silo_step_duration_seconds',
    'Wall time of an optimizer step.',
    STEP_BUCKETS,
  );
  readonly #loss = this.#set.gauge(
    'fedrot_silo_loss_nats',
    'Loss of the newest step (train), or mean so far of the newest scoring (evaluate).',
    ['kind'],
  );
  readonly #sent = this.#set.counter('fedrot_silo_sent_bytes_total', 'Payload bytes of accepted updates.');

  constructor() {
    this.#set.collectProcess();
  }

  /** Who this is; told once. */
  introduce(silo: { silo: string; role: string; version: string; examples: number }): void {
    const { examples, ...labels } = silo;
    this.#info.set(labels, 1);
    this.#examples.set(examples);
    this.#connected.set(0);
  }

  /** `offsetMs`: the coordinator's clock minus this machine's; undefined where it said nothing of it. */
  heartbeat(answered: boolean, offsetMs?: number): void {
    this.#connected.set(answered ? 1 : 0);
    if (offsetMs !== undefined) this.#offset.set(offsetMs / 1000);
  }

  /** The phase of the task under way; undefined when there is none. */
  enter(phase: Phase | undefined): void {
    for (const each of PHASES) this.#phase.set({ phase: each }, each === phase ? 1 : 0);
  }

  step({ kind, loss, tokens, seconds }: StepMeasure): void {
    this.#steps.inc({ kind });
    this.#tokens.inc({ kind }, tokens);
    this.#loss.set({ kind }, loss);
    if (kind === 'train') this.#stepSeconds.observe(seconds);
  }

  /** Bytes of an update that was accepted. */
  sent(bytes: number): void {
    this.#sent.inc(bytes);
  }

  ended(kind: 'train' | 'evaluate', outcome: 'done' | 'failed' | 'abandoned'): void {
    this.#tasks.inc({ kind, outcome });
    this.enter(undefined);
  }

  get contentType(): string {
    return this.#set.contentType;
  }

  render(): Promise<string> {
    return this.#set.render();
  }

  /** For docs/metrics.md. */
  describe(): readonly MetricDescription[] {
    return this.#set.describe();
  }
}
