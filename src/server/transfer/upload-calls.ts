import type { ThreadAnswer } from '../threads/answer.js';
import type { Upload, UploadPlace } from './upload-file.js';

/** What the thread that takes uploads can be asked for. */
export interface UploadCalls extends Upload {
  open(place: UploadPlace): Promise<void>;
}

export type CallName = keyof UploadCalls;

/** A call for one upload; those of an upload are done in the order in which they come. */
export type Call = {
  readonly [N in CallName]: {
    readonly upload: number;
    readonly seq: number;
    readonly name: N;
    readonly args: Parameters<UploadCalls[N]>;
  };
}[CallName];

export type Answer = ThreadAnswer<unknown> & { readonly seq: number };
