import type { AggregationTask } from './aggregation-job.js';
import { answerJobs } from './answer-jobs.js';
import { performAggregation, verifyUpdates } from './perform-aggregation.js';

answerJobs((task) => {
  const { job, what } = task as AggregationTask;
  if (what !== 'verify') return performAggregation(job, { verify: what === 'all' });
  verifyUpdates(job);
  return undefined;
});
