import { parentPort, workerData } from 'node:worker_threads';
import { asFedrotError } from '../../errors.js';
import type { AggregationAnswer, AggregationJob } from './aggregation-job.js';
import { performAggregation } from './perform-aggregation.js';

/** A worker thread that does one aggregation and ends: its memory goes back to the system. */
function answer(job: AggregationJob): AggregationAnswer {
  try {
    return { outcome: performAggregation(job) };
  } catch (thrown) {
    const { code, message, stack } = asFedrotError(thrown);
    return { error: { code, message, ...(stack === undefined ? {} : { stack }) } };
  }
}

parentPort?.postMessage(answer(workerData as AggregationJob));
