import { answerJobs } from './answer-jobs.js';
import { performAggregation } from './perform-aggregation.js';

answerJobs(performAggregation);
