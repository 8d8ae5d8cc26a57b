import type { AggregationTask } from './aggregation-job.js';
import { answerJobs } from './answer-jobs.js';
import { collectGarbage } from './collect-garbage.js';
import { performAggregation, verifyUpdates } from './perform-aggregation.js';

answerJobs((task) => {
  const { job, what } = task as AggregationTask;
  const between = (): void => {
    collectGarbage({ young: true });
  };
  if (what !== 'verify') return performAggregation(job, { verify: what === 'all', between });
  verifyUpdates(job);
  return undefined;
});
