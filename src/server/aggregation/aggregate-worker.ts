import { collectGarbage } from '../threads/collect-garbage.js';
import type { AggregationTask } from './aggregation-job.js';
import { answerJobs } from './answer-jobs.js';
import { performAggregation, verifyUpdates } from './perform-aggregation.js';
import { nameVersion, performParts, syncVersion } from './perform-parts.js';

const between = (): void => {
  collectGarbage({ young: true });
};

const DO: {
  readonly [W in AggregationTask['what']]: (task: AggregationTask & { readonly what: W }) => unknown;
} = {
  parts: (task) => performParts(task.job, task, between),
  sync: ({ job }) => {
    syncVersion(job);
  },
  name: ({ job }) => nameVersion(job),
  verify: ({ job }) => {
    verifyUpdates(job);
  },
  whole: ({ job, verify }) => performAggregation(job, { verify, between }),
};

answerJobs((given) => {
  const task = given as AggregationTask;
  return DO[task.what](task as never);
});
