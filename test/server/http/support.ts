import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { ModelTools } from '../../../src/server/model-tools.js';
import type { CoordinatorConfigInput } from '../../../src/server/config.js';
import type { StartOptions } from '../../../src/server/start.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { FakeSilo } from '../support/fake-silo.js';
import {
  factors,
  pushBundle,
  removeFolder,
  startTestCoordinator,
  tempFolder,
  type TestCoordinator,
} from '../support/harness.js';

/** Reads no model: the adapter that the harness makes, drawn by the run's seed. */
export const fakeModels: ModelTools = {
  initialAdapter: async (_folder, spec): Promise<readonly NamedTensor[]> => factors(spec.seed + 1, true),
  adapterConfig: async (spec, names, base) => ({ r: spec.lora.rank, names: names.length, base }),
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  readonly json: () => unknown;
}

export interface Asking {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A coordinator with HTTP, ended with the test. */
export class HttpWorld {
  private constructor(
    readonly coordinator: TestCoordinator,
    readonly folder: string,
  ) {}

  static async start(
    config: Partial<CoordinatorConfigInput> = {},
    options: StartOptions = {},
  ): Promise<HttpWorld> {
    const folder = await tempFolder();
    const coordinator = await startTestCoordinator(folder, config, {
      softwareVersion: '1.2.3',
      models: fakeModels,
      ...options,
    });
    onTestFinished(async () => {
      await coordinator.close();
      await removeFolder(folder);
    });
    return new HttpWorld(coordinator, folder);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.coordinator.running.httpPort}`;
  }

  async ask(path: string, { method, body, headers }: Asking = {}): Promise<Answer> {
    const response = await fetch(`${this.origin}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return {
      status: response.status,
      headers: response.headers,
      body: bytes,
      json: () => JSON.parse(bytes.toString()) as unknown,
    };
  }

  /** The answer of /api/v1 as JSON. */
  async api<T>(path: string, asking: Asking = {}): Promise<T> {
    const answer = await this.ask(`/api/v1${path}`, asking);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.body.toString()}`);
    return answer.json() as T;
  }

  async pushBundle(): Promise<void> {
    await pushBundle(this.coordinator.admin);
  }

  async join(name: string): Promise<FakeSilo> {
    const silo = await new FakeSilo(name, this.coordinator.address).join();
    onTestFinished(() => silo.close());
    return silo;
  }
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
