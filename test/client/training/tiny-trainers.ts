import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { LocalTrainer, type LocalTrainerOptions } from '../../../src/client/training/local-trainer.js';
import { openBundle, type Bundle } from '../../../src/model/bundle.js';
import { openSession } from '../../../src/train/session.js';
import type { SessionOptions } from '../../../src/train/session-types.js';
import { tinyBundle, tinyCheckpoint } from '../../model/tiny-bundle.js';

export interface TinyTrainers {
  readonly bundle: Bundle;
  /** Sessions that the test has opened so far. */
  readonly opened: readonly SessionOptions[];
  /** A trainer with one thread, closed after the test. */
  readonly trainer: (options?: Partial<LocalTrainerOptions>) => LocalTrainer;
}

/** A tiny BERT for the tests of a file, and trainers for each of them. */
export function tinyTrainers(): TinyTrainers {
  const opened: SessionOptions[] = [];
  const trainers: LocalTrainer[] = [];
  let folder: string;
  let bundle: Bundle;
  beforeAll(async () => {
    folder = await tinyCheckpoint();
    const created = await tinyBundle(folder);
    bundle = await openBundle(created.folder, { verify: true });
  });
  afterAll(() => rm(folder, { recursive: true }));
  afterEach(async () => {
    opened.length = 0;
    for (const trainer of trainers.splice(0)) await trainer.close();
  });
  return {
    get bundle() {
      return bundle;
    },
    opened,
    trainer: (options = {}) => {
      const open = (session: SessionOptions): ReturnType<typeof openSession> => {
        opened.push(session);
        return openSession(session);
      };
      const made = new LocalTrainer({ open, threads: 1, ...options });
      trainers.push(made);
      return made;
    },
  };
}
