import { availableParallelism } from 'node:os';
import { LocalTrainer } from '../../client/training/local-trainer.js';
import type { Example } from '../../client/data/example.js';
import { initialAdapter } from '../../model/initial-adapter.js';
import type { Bundle } from '../../model/bundle.js';
import type { RunSpec } from '../../run-spec.js';
import { openSession } from '../../train/session.js';
import type { Probe } from './preflight.js';

/** The first step also warms up. */
const STEPS = 4;

/** Words enough that every text is cut to the run's maxTokens: the worst case. */
function longest({ task }: RunSpec): Example[] {
  const words = Array.from({ length: task.maxTokens }, (_, at) => `w${at % 7}`);
  const text = words.join(' ');
  const labels = 'labels' in task ? task.labels : [];
  const [label = ''] = labels;
  const of = (line: number): Example =>
    task.kind === 'token-classification'
      ? { line, text, label: '', words: words.map((word) => ({ word, tag: label })) }
      : { line, text, label: task.kind === 'text-regression' ? '0' : label };
  return Array.from({ length: 64 }, (_, at) => of(at + 1));
}

/** Trains a few steps of the run on made-up texts of full length, here, as a silo would. Throws as training does. */
export async function probeRun(bundle: Bundle, spec: RunSpec): Promise<Probe> {
  const threads = availableParallelism();
  const trainer = new LocalTrainer({ open: openSession, threads });
  const seconds: number[] = [];
  try {
    await trainer.train({
      bundle,
      spec: { ...spec, training: { ...spec.training, localSteps: STEPS } },
      adapter: initialAdapter(bundle, spec.lora, spec.seed),
      data: { path: 'the probe', examples: longest(spec) },
      instructions: { train: 'both' },
      round: 1,
      seed: ['probe'],
      onProgress: (step) => seconds.push(step.seconds),
    });
  } finally {
    await trainer.close();
  }
  const rest = seconds.slice(1).sort((x, y) => x - y);
  return {
    stepSeconds: rest[Math.floor(rest.length / 2)] ?? 0,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    threads,
  };
}
