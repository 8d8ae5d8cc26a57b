/** What a silo last said of the task that it works on. Live only: it is not stored. */
export interface Progress {
  readonly taskId: string;
  readonly phase: string;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
}

export class ProgressBoard {
  readonly #runs = new Map<string, Map<string, Progress>>();

  set(runId: string, silo: string, progress: Progress): void {
    const silos = this.#runs.get(runId) ?? new Map<string, Progress>();
    silos.set(silo, progress);
    this.#runs.set(runId, silos);
  }

  get(runId: string, silo: string): Progress | undefined {
    return this.#runs.get(runId)?.get(silo);
  }

  clear(runId: string): void {
    this.#runs.delete(runId);
  }
}
