import { createSiloClient, type RpcClient } from '../../../src/rpc/client.js';
import type { Assignment } from '../../../src/rpc/gen/fedrot/v1/Assignment.js';
import type { SubmitUpdateRequestInput } from '../../../src/rpc/gen/fedrot/v1/SubmitUpdateRequest.js';
import type { TrainTask } from '../../../src/rpc/gen/fedrot/v1/TrainTask.js';
import type { UpdateBeginInput } from '../../../src/rpc/gen/fedrot/v1/UpdateBegin.js';
import type { SiloCalls } from '../../../src/rpc/services.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { chunksOf, encode, type Encoded } from './payload.js';

export interface Task {
  readonly taskId: string;
  readonly train: TrainTask;
}

/** A silo that does by hand what a daemon does: raw calls, no retries. */
export class FakeSilo {
  readonly calls: RpcClient<SiloCalls>;
  /** Everything that came over the stream of assignments. */
  readonly received: Assignment[] = [];
  session = '';
  #beat: NodeJS.Timeout | undefined;
  readonly #leave = new AbortController();
  #wake: () => void = () => undefined;

  constructor(
    readonly name: string,
    address: string,
    transport: { maxMessageBytes?: number } = {},
  ) {
    this.calls = createSiloClient({
      address,
      transport,
      metadata: () => ({ 'fedrot-session': this.session }),
    });
  }

  async register(role: 'TRAINER' | 'EVALUATOR' = 'TRAINER'): Promise<number> {
    const response = await this.calls.register({
      silo: this.name,
      role: `SILO_ROLE_${role}`,
      protocolMin: 1,
      protocolMax: 1,
      softwareVersion: 'test',
      examples: 100,
    });
    this.session = response.sessionId;
    return response.heartbeatIntervalMs;
  }

  /** Registers, beats and listens. */
  async join(role: 'TRAINER' | 'EVALUATOR' = 'TRAINER'): Promise<this> {
    const interval = await this.register(role);
    this.#beat = setInterval(() => {
      this.calls.heartbeat({ silo: this.name }).catch(() => undefined);
    }, interval / 2);
    void this.#listen();
    return this;
  }

  async #listen(): Promise<void> {
    try {
      const options = { signal: this.#leave.signal };
      for await (const assignment of this.calls.watchAssignments({ silo: this.name }, options)) {
        this.received.push(assignment);
        this.#wake();
      }
    } catch {
      // The coordinator is gone, or this silo is.
    }
  }

  /** The first assignment that fits; waits for it. */
  async assignment(fits: (assignment: Assignment) => boolean): Promise<Assignment> {
    for (;;) {
      const found = this.received.find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async task(round: number): Promise<Task> {
    const { taskId, train } = await this.assignment((assignment) => assignment.train?.round === round);
    if (!train) throw new Error('no training task');
    return { taskId, train };
  }

  begin({ taskId, train }: Task, encoded: Encoded, changes: UpdateBeginInput = {}): UpdateBeginInput {
    return {
      runId: train.runId,
      round: train.round,
      silo: this.name,
      taskId,
      baseVersion: train.adapter?.version ?? 0,
      examples: 10,
      metrics: { loss: 0.5, steps: 20, seconds: 1.5, tokens: 1000 },
      manifest: encoded.manifest,
      offset: 0,
      sha256: encoded.sha256,
      ...changes,
    };
  }

  /** The messages of an upload, from `offset` on. */
  messages(
    task: Task,
    tensors: readonly NamedTensor[],
    changes: UpdateBeginInput = {},
  ): SubmitUpdateRequestInput[] {
    const encoded = encode(tensors);
    return [
      { begin: this.begin(task, encoded, changes) },
      ...chunksOf(encoded.payload, Number(changes.offset ?? 0)),
      { digest: { sha256: encoded.sha256 } },
    ];
  }

  async submit(
    task: Task,
    tensors: readonly NamedTensor[],
    changes: UpdateBeginInput = {},
  ): Promise<{ alreadyKnown: boolean }> {
    return this.calls.submitUpdate(this.messages(task, tensors, changes));
  }

  /** Gone without a word. */
  close(): void {
    clearInterval(this.#beat);
    this.#leave.abort();
    this.calls.close();
  }
}
