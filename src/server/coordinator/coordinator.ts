import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { RunSpec } from '../../run-spec.js';
import type { AssignmentInput } from '../../rpc/gen/fedrot/v1/Assignment.js';
import { NO_TRACING, type Tracing } from '../../trace/tracing.js';
import type { Aggregate, Diagnose } from '../aggregation/aggregation-workers.js';
import type { CoordinatorConfig } from '../config.js';
import type { RoundEvidence } from '../evidence/round-evidence.js';
import type { CoordinatorMetrics } from '../metrics.js';
import type { Effect } from '../round/effects.js';
import { newStanding } from '../round/standing.js';
import { initialState, type RunState } from '../round/state.js';
import type { BundleFolder } from '../spool/bundle-folder.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import type { AdapterFile, AdapterRecord, SiloRecord, Store } from '../store/store.js';
import { admits } from './admission.js';
import { AssignmentHub } from './assignment-hub.js';
import { outstandingAssignments } from './assignments.js';
import { ChangeFeed } from './change-feed.js';
import { Diagnoser } from './diagnoser.js';
import { RunObserver } from './observe.js';
import { ProgressBoard } from './progress-board.js';
import { Publisher } from './publisher.js';
import { collectGarbage, loadRuns, tensorsOf, type LoadedRun } from './load-runs.js';
import { lookOver } from './look-over.js';
import { openRounds } from './open-rounds.js';
import { RunActor } from './run-actor.js';
import { RoundTraces } from './round-traces.js';
import { SiloRegistry, type SiloRole } from './silo-registry.js';

export interface CoordinatorOptions {
  readonly config: CoordinatorConfig;
  readonly store: Store;
  readonly spool: TensorSpool;
  readonly bundles: BundleFolder;
  readonly metrics: CoordinatorMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly aggregate: Aggregate;
  readonly diagnose: Diagnose;
  /** Told that an aggregation is to be expected. Default: nobody is. */
  readonly onExpected?: () => void;
  /** Default: no manifests of rounds are written. */
  readonly evidence?: RoundEvidence;
  /** A stored file that is not what it was. */
  readonly onCorrupt?: (message: string) => void;
  /** Told of every step of a run, after it is durable; `at` in ms. */
  readonly onStep?: (before: RunState, after: RunState, at: number) => void;
  /** Default: nothing is traced. */
  readonly tracing?: Tracing;
}

export interface RunRequest {
  readonly runId: string;
  readonly spec: RunSpec;
  /** Whole and durable in the spool. */
  readonly initial: AdapterFile;
}

/** The shell around the rounds: loads the runs, performs what the reducer asks for, brings silos and runs together. */
export class Coordinator {
  readonly config: CoordinatorConfig;
  readonly store: Store;
  readonly spool: TensorSpool;
  readonly bundles: BundleFolder;
  readonly metrics: CoordinatorMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly silos: SiloRegistry;
  readonly progress = new ProgressBoard();
  readonly changes = new ChangeFeed();
  readonly #hub = new AssignmentHub();
  readonly #runs = new Map<string, RunActor>();
  readonly #observer: RunObserver;
  readonly #onStep: NonNullable<CoordinatorOptions['onStep']>;
  readonly tracing: Tracing;
  readonly #traces: RoundTraces;
  readonly #publisher: Publisher;
  readonly #diagnoser: Diagnoser;
  /** An aggregation is to be expected. */
  readonly expectAggregation: () => void;
  #draining = false;

  private constructor(options: CoordinatorOptions) {
    this.config = options.config;
    this.store = options.store;
    this.spool = options.spool;
    this.bundles = options.bundles;
    this.metrics = options.metrics;
    this.clock = options.clock;
    this.logger = options.logger;
    this.#observer = new RunObserver(options.logger, options.metrics);
    this.#onStep = options.onStep ?? (() => undefined);
    this.tracing = options.tracing ?? NO_TRACING;
    this.#traces = new RoundTraces(this.tracing);
    this.#publisher = new Publisher(options);
    this.#diagnoser = new Diagnoser(options);
    this.expectAggregation = options.onExpected ?? (() => undefined);
    this.silos = new SiloRegistry({
      store: options.store,
      clock: options.clock,
      logger: options.logger,
      heartbeatIntervalMs: options.config.heartbeatIntervalMs,
      onJoin: (record) => this.#joined(record),
      onLeave: (silo) => this.#left(silo),
    });
  }

  /** Loads what is stored and carries on with it, each run in the phase that it was in. */
  static async open(options: CoordinatorOptions): Promise<Coordinator> {
    const coordinator = new Coordinator(options);
    await coordinator.#load();
    return coordinator;
  }

  /** In order of creation. */
  runs(): readonly RunActor[] {
    return [...this.#runs.values()];
  }

  /** Throws run_unknown. */
  run(runId: string): RunActor {
    const run = this.#runs.get(runId);
    if (!run) throw new FedrotError('run_unknown', `there is no run ${JSON.stringify(runId.slice(0, 100))}`);
    return run;
  }

  /** Throws already_exists. */
  async createRun(request: RunRequest): Promise<RunActor> {
    this.refuseWhileDraining();
    const { runId, spec, initial } = request;
    const createdMs = this.clock.now();
    const connected = this.silos.connected();
    const namesOf = (role: SiloRole): readonly string[] =>
      connected.filter((record) => record.role === role && admits(spec, record.silo)).map(({ silo }) => silo);
    const state = initialState(runId, spec, {
      trainers: namesOf('trainer'),
      evaluators: namesOf('evaluator'),
      standings: connected.map(({ silo, examples }) => newStanding(silo, examples)),
    });
    await this.store.createRun({ runId, spec, createdMs, state, initial });
    this.logger.info(
      { run: runId, method: spec.aggregation.method, rounds: spec.rounds.count },
      'created a run',
    );
    const run = this.#add({ runId, spec, createdMs, state, seq: 0, logSeq: 0 }, [
      { ...initial, version: 0, createdMs },
    ]);
    run.start();
    await this.#catchUp(run, connected);
    await run.send({ type: 'begin' });
    return run;
  }

  /** Silos that came or went while the run was being stored. */
  async #catchUp(run: RunActor, before: readonly SiloRecord[]): Promise<void> {
    const now = this.silos.connected();
    const isIn = (records: readonly SiloRecord[], silo: string): boolean =>
      records.some((record) => record.silo === silo);
    for (const { silo, role, examples } of now)
      if (!isIn(before, silo) && admits(run.spec, silo))
        await run.send({ type: 'join', silo, role, examples });
    for (const { silo } of before) if (!isIn(now, silo)) await run.send({ type: 'leave', silo });
  }

  /** The silo's assignments in all runs: what is outstanding, then what comes. */
  watchAssignments(silo: string, signal: AbortSignal): AsyncIterable<AssignmentInput> {
    return this.#hub.watch(
      silo,
      () =>
        this.#draining ? [] : this.runs().flatMap((run) => outstandingAssignments(run, silo, this.tracing)),
      signal,
    );
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Throws unavailable while the coordinator shuts down. */
  refuseWhileDraining(): void {
    if (this.#draining)
      throw new FedrotError('unavailable', 'the coordinator is shutting down: try again when it is back');
  }

  /** No new assignments, rounds or aggregations from now on; streams of assignments and watchers end. */
  drain(): void {
    this.#draining = true;
    this.#hub.close();
    this.changes.close();
    this.silos.close();
  }

  /** After drain, when no call is under way any more. */
  async close(): Promise<void> {
    await this.#publisher.close();
    await this.#diagnoser.close();
    for (const run of this.#runs.values()) await run.close();
    await this.store.close();
  }

  async #load(): Promise<void> {
    const atWork = new Set<string>();
    for (const { run, adapters } of await loadRuns(this.store)) {
      const { runId, state } = this.#add(run, adapters);
      for (const silo of [...state.trainers, ...state.evaluators])
        if (state.phase !== 'done') atWork.add(silo);
      this.logger.info({ run: runId, phase: state.phase, round: state.round }, 'loaded a run');
    }
    this.silos.restore(await this.store.silos(), atWork, this.config.reconnectGraceMs);
    const removed = await collectGarbage(this.spool, this.store, this.runs());
    if (removed > 0) this.logger.info({ removed }, 'removed files that nothing refers to');
  }

  /** Begins to act: after everything is loaded and calls can come in. */
  start(): void {
    this.silos.start();
    for (const run of this.#runs.values()) {
      if (run.state.phase === 'aggregating' && run.state.dueMs === 0)
        this.#publisher.publish(run, run.state.round);
      run.start();
      this.#diagnoser.look(run);
      if (run.state.phase !== 'done')
        lookOver(run, { clock: this.clock, logger: this.logger, stopped: () => this.#draining });
    }
  }

  #add(run: LoadedRun['run'], adapters: readonly AdapterRecord[]): RunActor {
    const { store, clock, logger } = this;
    const actor = new RunActor({
      ...run,
      adapters,
      tensors: tensorsOf(this.spool, adapters[0]),
      store,
      clock,
      logger,
      onStep: (...step) => {
        this.#stepped(...step);
      },
      onDiagnosed: () => {
        this.changes.notify(run.runId);
      },
    });
    this.#runs.set(run.runId, actor);
    if (run.state.phase !== 'done') this.#observer.progressed(run.runId, clock.now());
    return actor;
  }

  async #joined({ silo, role, examples }: SiloRecord): Promise<void> {
    await Promise.all(this.#activeOf(silo).map((run) => run.send({ type: 'join', silo, role, examples })));
  }

  async #left(silo: string): Promise<void> {
    this.#hub.end(silo);
    await Promise.all(this.#activeOf(silo).map((run) => run.send({ type: 'leave', silo })));
  }

  #activeOf(silo: string): readonly RunActor[] {
    return this.runs().filter((run) => run.state.phase !== 'done' && admits(run.spec, silo));
  }

  #stepped(run: RunActor, before: RunState, effects: readonly Effect[], at: number): void {
    const { state } = run;
    this.#observer.step(before, state, effects, at);
    this.#onStep(before, state, at);
    this.#traces.step(before, state, at, run.createdMs);
    if (before.round !== state.round) this.progress.clear(run.runId);
    const open = openRounds(state);
    for (const closed of openRounds(before))
      if (!open.has(closed))
        this.spool.dropPartials(run.runId, closed).catch((error: unknown) => {
          this.logger.warn({ err: error, run: run.runId }, 'parts of uploads could not be removed');
        });
    if (!this.#draining) {
      for (const effect of effects) this.#perform(run, effect);
      this.#diagnoser.look(run);
    }
    this.changes.notify(run.runId);
  }

  #perform(run: RunActor, effect: Effect): void {
    switch (effect.type) {
      case 'assign':
        this.expectAggregation();
        for (const assignment of outstandingAssignments(run, effect.silo, this.tracing))
          if (assignment.taskId === effect.taskId) this.#hub.send(effect.silo, assignment);
        break;
      case 'cancel':
        this.#hub.send(effect.silo, { taskId: effect.taskId, cancel: { reason: effect.reason } });
        break;
      case 'aggregate':
        this.#publisher.publish(run, effect.round);
        break;
      case 'failure':
      case 'call-off':
        break; // recorded with the event
    }
  }
}
