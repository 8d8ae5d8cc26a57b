import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { collectGarbage } from '../threads/collect-garbage.js';
import type { RoundJob } from './aggregation-job.js';
import { answerJobs } from './answer-jobs.js';
import { performDiagnosis } from './perform-diagnosis.js';
import { RightOfWay } from './right-of-way.js';

/** Processor time that nobody else wants. */
const NICE = 19;

// On Linux a thread has a nice value of its own (setpriority(2), "C library/kernel differences"); elsewhere it is the process'.
if (process.platform === 'linux') setPriority(NICE);

const rightOfWay = new RightOfWay(workerData as SharedArrayBuffer);
answerJobs((job) =>
  performDiagnosis(job as RoundJob, () => {
    collectGarbage({ young: true });
    rightOfWay.wait();
  }),
);
