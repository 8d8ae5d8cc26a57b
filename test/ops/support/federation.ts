import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyBundle, tinyCheckpoint } from '../../model/tiny-bundle.js';
import { freePort } from '../../support/e2e.js';
import type { Processes, TestProcess } from '../../support/processes.js';

export const SILOS = ['north', 'south'] as const;

/** Two kinds of mails in the words that the tiny tokenizer knows. */
const MAILS = [
  ['meeting tomorrow and the list of mail', 0],
  ['free money now ! win cheap offer', 1],
  ['we meeting the list tomorrow .', 0],
  ['you win a free offer now', 1],
] as const;

export interface Federation {
  readonly address: string;
  readonly httpPort: number;
  /** Of /metrics, by silo. */
  readonly metricsPorts: ReadonlyMap<string, number>;
  readonly coordinator: TestProcess;
  readonly bundle: string;
}

/** Writes so many labelled mails; returns the path. */
export function mails(path: string, labels: readonly string[], count = 24): string {
  const lines = Array.from({ length: count }, (_, at) => {
    const [text, label] = MAILS[at % MAILS.length]!;
    return JSON.stringify({ text, label: labels[label] });
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

/** A coordinator, two silos and an evaluator as processes of their own, on a tiny model that really trains. */
export async function startFederation(
  processes: Processes,
  folder: string,
  {
    coordinatorArgs = [],
    siloArgs = [],
    env = {},
  }: {
    readonly coordinatorArgs?: readonly string[];
    readonly siloArgs?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Federation> {
  const { folder: bundle, manifest } = await tinyBundle(await tinyCheckpoint());
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const coordinator = processes.start(
    'coordinator',
    [
      ...['coordinator', '--json', '--data-folder', join(folder, 'coordinator'), '--log-format', 'json'],
      ...[
        '--grpc-port',
        String(port),
        '--http-port',
        '0',
        '--heartbeat-interval-ms',
        '500',
        ...coordinatorArgs,
      ],
    ],
    { env },
  );
  const { httpPort } = (await coordinator.ready()) as { httpPort: number };
  const metricsPorts = new Map<string, number>();
  for (const name of [...SILOS, 'judge']) {
    const data = mails(join(folder, `${name}.jsonl`), manifest.task.labels);
    const role = name === 'judge' ? ['--role', 'evaluator', '--data-test', data] : ['--data-train', data];
    const silo = processes.start(
      name,
      [
        ...['client', '--json', '--name', name, '--coordinator', address, ...role, '--threads', '1'],
        ...['--folder', join(folder, name), '--log-format', 'json', '--metrics-port', '0', ...siloArgs],
      ],
      { env },
    );
    const { metricsPort } = (await silo.ready()) as { metricsPort: number };
    metricsPorts.set(name, metricsPort);
  }
  return { address, httpPort, metricsPorts, coordinator, bundle };
}

/** The arguments of `fedrot run create` for the federation's model. */
export const createArgs = ({ address, bundle }: Federation, rounds: number, steps = 2): readonly string[] => [
  ...['run', 'create', '--bundle', bundle, '--name', 'mail', '--run-id', 'mail', '--coordinator', address],
  ...['--rounds-count', String(rounds), '--rounds-min-silos', '2', '--training-local-steps', String(steps)],
  ...['--training-batch-size', '4', '--task', '{maxTokens: 16}', '--lora-rank', '2', '--json'],
];
