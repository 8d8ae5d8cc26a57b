import type { TensorSource } from '../tensor/tensor.js';

/** Where an update that did not begin from the newest version began, and how much of its step counts. */
export interface Staleness {
  /** The adapter that the silo began from. */
  readonly base: TensorSource;
  /** s(τ), 0 to 1. */
  readonly scale: number;
}

/**
 * How a method takes such updates: `plain` where all silos work in one basis; `rotated` where bases may differ, and the update has to be
 * turned into that of the newest version first.
 */
export type StaleHandling = 'plain' | 'rotated';
