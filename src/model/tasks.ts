import type { HeadKind } from './architectures/architecture.js';
import { TASK_LABELLED, type BundleManifest } from './bundle-manifest.js';

export type BundleTask = BundleManifest['task'];
export type TaskKind = BundleTask['kind'];

/** The head that each task asks of an architecture. */
export const TASK_HEADS: Readonly<Record<TaskKind, HeadKind>> = {
  'text-classification': 'sequence',
  'text-regression': 'sequence',
  'token-classification': 'token',
  'causal-lm': 'causal-lm',
};

export const TASK_KINDS = Object.keys(TASK_HEADS) as readonly TaskKind[];

/** Whether a task's classes have names. */
export const isLabelled = (kind: TaskKind): boolean => TASK_LABELLED[kind];
