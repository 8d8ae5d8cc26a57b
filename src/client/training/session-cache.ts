import type { SiloInstructions } from '../../align/types.js';
import type { Bundle } from '../../model/bundle.js';
import { resolveLora } from '../../model/resolve-lora.js';
import type { LoraSpec, TaskSpec } from '../../run-spec.js';
import type { PrefixCacheOptions, SessionOptions, TrainSession } from '../../train/session-types.js';

export type OpenSession = (options: SessionOptions) => Promise<TrainSession>;

/** What a session is built for; opening one takes seconds, so it is kept while the next task wants the same. */
export interface SessionWish {
  readonly bundle: Bundle;
  readonly lora: LoraSpec;
  /** Undefined where nothing is trained: any session of the model and its LoRA settings will do. */
  readonly train?: SiloInstructions['train'];
  readonly prefixCache?: PrefixCacheOptions | undefined;
  /** Another task tokenizes the examples in another way: what is cached is of no use to it. */
  readonly task?: TaskSpec;
}

export interface SessionResources {
  readonly threads?: number;
  readonly spinning?: boolean;
}

/** Keeps the last session open. One user at a time. */
export class SessionCache {
  #open:
    | {
        readonly model: string;
        /** Of what training wants beyond the model. */
        readonly training: string;
        readonly session: TrainSession;
      }
    | undefined;

  constructor(
    private readonly openSession: OpenSession,
    private readonly resources: SessionResources,
  ) {}

  async get({ bundle, lora, train, prefixCache, task }: SessionWish): Promise<TrainSession> {
    const model = JSON.stringify([bundle.sha256, lora]);
    const training = JSON.stringify([train ?? 'both', prefixCache && { prefixCache, task }]);
    if (this.#open?.model === model && (train === undefined || this.#open.training === training))
      return this.#open.session;
    await this.close();
    const session = await this.openSession({
      folder: bundle.folder,
      file: bundle.manifest.model.file,
      ...resolveLora(bundle, lora),
      train: train ?? 'both',
      dropout: lora.dropout,
      loss: bundle.manifest.task.kind === 'text-regression' ? 'mean-squared-error' : 'cross-entropy',
      ...(prefixCache && { prefixCache }),
      ...this.resources,
    });
    this.#open = { model, training, session };
    return session;
  }

  /** Ends the session, e.g. after a failure in it; the next get opens a new one. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.session.close();
  }
}
