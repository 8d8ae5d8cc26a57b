import type { ErrorCode } from '../errors.js';
import type { Trainer } from './trainer.js';

/** Calls between a session and its worker: one request, one reply, in order. */
export type Method =
  | 'load'
  | 'read'
  | 'resetOptimizer'
  | 'step'
  | 'fillPrefix'
  | 'saveState'
  | 'restoreState'
  | 'gradients'
  | 'evaluate'
  | 'close';

export type Arguments<M extends Method> = Parameters<Trainer[M]>;
export type Result<M extends Method> = Awaited<ReturnType<Trainer[M]>>;

export type Request = {
  [M in Method]: { readonly id: number; readonly method: M; readonly args: Arguments<M> };
}[Method];

/** Errors keep their code across the thread. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** id 0 answers the opening of the session; its value is the list of parameters. */
export type Reply =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly failure: Failure };
