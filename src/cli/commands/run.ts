import { Option, type Command } from 'commander';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { withAdmin, coordinatorAddress, coordinatorOption } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { Exit } from '../failure.js';
import { formatTime } from '../format.js';
import { RunNarrator } from '../run/narrator.js';
import { describeRun, runRow, RUN_COLUMNS } from '../run/print.js';
import { watchRun } from '../run/watch.js';
import { endSignals } from '../signals.js';
import { formatTable } from '../table.js';
import { LiveView } from '../run/live-view.js';
import { buildLogs, buildPause, buildResume } from './run-control.js';
import { buildCreate } from './run-create.js';

const buildList: BuildCommand = (context) =>
  leaf('list', 'list runs')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (options: { json?: boolean }, command: Command) => {
      const { runs } = await withAdmin(coordinatorAddress(command, context), (admin) => admin.listRuns({}));
      if (options.json === true) context.out(`${JSON.stringify(runs.map(runRow))}\n`);
      else context.out(formatTable(runs, RUN_COLUMNS, 'no runs yet; `fedrot run create` makes one'));
    });

const buildShow: BuildCommand = (context) =>
  leaf('show', 'show one run')
    .argument('<run>', 'id of the run')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (runId: string, options: { json?: boolean }, command: Command) => {
      const run = await withAdmin(coordinatorAddress(command, context), (admin) => admin.getRun({ runId }));
      context.out(options.json === true ? `${JSON.stringify(runRow(run))}\n` : describeRun(run));
    });

const buildWatch: BuildCommand = (context) =>
  leaf('watch', 'follow a run until it ends; exits with 1 where it failed or was stopped')
    .argument('<run>', 'id of the run')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(new Option('--json', 'print every change as a JSON line'))
    .addOption(new Option('--plain', 'lines instead of a live view, as when it is no terminal'))
    .action(async (runId: string, options: { json?: boolean; plain?: boolean }, command: Command) => {
      const narrator = new RunNarrator();
      const live =
        context.screen === undefined || options.plain === true || options.json === true
          ? undefined
          : new LiveView(context.screen);
      const signals = endSignals();
      try {
        await withAdmin(coordinatorAddress(command, context), async (admin) => {
          const onBreak = (error: Error): void =>
            context.err(`fedrot: ${error.message}; trying again (${formatTime(Date.now())})\n`);
          let last: Run | undefined;
          for await (const run of watchRun(admin, runId, { signal: signals.signal, onBreak })) {
            if (options.json === true) context.out(`${JSON.stringify(runRow(run))}\n`);
            else if (live !== undefined) live.draw(run, Date.now());
            else for (const line of narrator.tell(run)) context.out(`${line}\n`);
            last = run;
          }
          if (last === undefined || signals.signal.aborted) return;
          if (options.json !== true && live === undefined)
            for (const line of narrator.tell(last, { last: true })) context.out(`${line}\n`);
          if (last.state === 'RUN_STATE_FAILED' || last.state === 'RUN_STATE_STOPPED') throw new Exit(1);
        });
      } finally {
        signals.release();
      }
    });

const buildStop: BuildCommand = (context) =>
  leaf('stop', 'stop a run; its adapters stay')
    .argument('<run>', 'id of the run')
    .addOption(new Option('--reason <text>', 'kept with the run').default('stopped by an operator'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (runId: string, options: { json?: boolean; reason: string }, command: Command) => {
      const run = await withAdmin(coordinatorAddress(command, context), (admin) =>
        admin.stopRun({ runId, reason: options.reason }),
      );
      context.out(options.json === true ? `${JSON.stringify(runRow(run))}\n` : `${run.runId} stopped\n`);
    });

export const build: BuildCommand = (context) =>
  group('run', 'create, list, show, watch, pause, resume and stop runs; their logs', [
    buildCreate(context),
    buildList(context),
    buildShow(context),
    buildWatch(context),
    buildPause(context),
    buildResume(context),
    buildStop(context),
    buildLogs(context),
  ]);
