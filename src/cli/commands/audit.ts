import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import { fingerprint, parseFingerprint } from '../../pki/fingerprint.js';
import { parseCertificates, toPem } from '../../pki/certificate.js';
import { readCredential } from '../../pki/credential-files.js';
import { readPublicFile } from '../../pki/secret-file.js';
import { coordinatorAddress, coordinatorOption, withAdmin, type AdminClient } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { folderSource, remoteSource, type EvidenceSource } from '../audit/sources.js';
import { signerKeys, verifyAudit, verifyRun, type RunVerdict } from '../audit/verify.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';
import type { CliContext } from '../context.js';
import { Exit } from '../failure.js';
import { formatTime } from '../format.js';
import { formatTable, type Column } from '../table.js';

interface SourceFlags {
  readonly dataFolder?: string;
  readonly roots?: string;
  readonly fingerprint?: string;
  readonly json?: boolean;
}

const addSource = (command: Command): Command =>
  command
    .addOption(new Option('--data-folder <folder>', "read a coordinator's data folder instead of asking one"))
    .addOption(
      new Option(
        '--roots <file>',
        'PEM of the authority to trust (default: that of your credential, or of the folder)',
      ),
    )
    .addOption(new Option('--fingerprint <sha256>', 'of the authority to trust'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption());

async function withSource<T>(
  flags: SourceFlags,
  command: Command,
  context: CliContext,
  use: (source: EvidenceSource, admin: AdminClient | undefined) => Promise<T>,
): Promise<T> {
  if (flags.dataFolder !== undefined) return use(folderSource(flags.dataFolder), undefined);
  const target = coordinatorAddress(command, context);
  const own = target.credential === undefined ? undefined : readCredential(target.credential).roots;
  return withAdmin(target, (admin) => use(remoteSource(admin, own && toPem(own)), admin));
}

async function rootsOf(flags: SourceFlags, source: EvidenceSource) {
  const pem = flags.roots === undefined ? await source.rootsPem() : readPublicFile(flags.roots);
  const roots = parseCertificates(pem, 'authority');
  if (flags.fingerprint === undefined) return roots;
  const wanted = parseFingerprint(flags.fingerprint);
  const trusted = roots.filter(({ raw }) => fingerprint(raw) === wanted);
  if (trusted.length === 0)
    throw new FedrotError('unauthenticated', 'the authority of this evidence has another fingerprint');
  return trusted;
}

async function verdictOf(
  source: EvidenceSource,
  flags: SourceFlags,
  run: string,
  expected: { head?: string; rounds?: number } = {},
): Promise<RunVerdict> {
  const { texts, signersPem } = await source.manifests(run);
  const keys = signerKeys(signersPem, await rootsOf(flags, source), Date.now());
  return verifyRun(texts, keys, { run, ...expected });
}

function describe({ run, chain }: RunVerdict): string {
  if (!chain.ok) return `BROKEN  ${run}: round ${chain.broken.round}: ${chain.broken.message}`;
  return `ok      ${run}: ${chain.rounds} rounds, newest manifest ${chain.head ?? 'none'}`;
}

interface VerifyFlags extends SourceFlags {
  readonly head?: string;
  readonly rounds?: string;
}

const buildVerify: BuildCommand = (context) =>
  addSource(
    leaf(
      'verify',
      'check signatures and chains of all rounds, and the audit log; exits with 1 where one is broken',
    )
      .argument('[run]', 'only this run (default: all)')
      .addOption(
        new Option('--head <sha256>', 'the newest manifest must be this one: so a cut end is noticed'),
      )
      .addOption(new Option('--rounds <n>', 'there must be so many rounds')),
  ).action(async (run: string | undefined, flags: VerifyFlags, command: Command) => {
    const { verdicts, log } = await withSource(flags, command, context, async (source) => {
      const expected = {
        ...(flags.head !== undefined && { head: flags.head }),
        ...(flags.rounds !== undefined && {
          rounds: readValue('number', flags.rounds, '--rounds') as number,
        }),
      };
      const list: RunVerdict[] = [];
      for (const name of run === undefined ? await source.runs() : [run])
        list.push(await verdictOf(source, flags, name, run === undefined ? {} : expected));
      return { verdicts: list, log: verifyAudit(await source.audit(), list) };
    });
    const ok = log.ok && verdicts.every(({ chain }) => chain.ok);
    if (flags.json === true)
      context.out(
        `${JSON.stringify({ ok, runs: verdicts.map(({ run: name, chain }) => ({ run: name, ...chain })), audit: log })}\n`,
      );
    else
      context.out(
        [
          ...verdicts.map(describe),
          log.ok
            ? `ok      audit log: ${log.head.seq} entries, newest ${log.head.hash}`
            : `BROKEN  ${log.message}`,
          '',
        ].join('\n'),
      );
    if (!ok) throw new Exit(1);
  });

const buildReplay: BuildCommand = (context) =>
  addSource(
    leaf('replay', 'compute the adapter of a round once more from the stored updates and compare every bit')
      .argument('<run>', 'id of the run')
      .argument('[round]', 'which round (default: all)'),
  ).action(async (run: string, round: string | undefined, flags: SourceFlags, command: Command) => {
    const { manifestOf, replayRound } = await import('../audit/replay.js');
    await withSource(flags, command, context, async (source, admin) => {
      const verdict = await verdictOf(source, flags, run);
      if (!verdict.chain.ok) throw new FedrotError('checksum_mismatch', describe(verdict));
      const { texts } = await source.manifests(run);
      if (texts.length === 0) throw new FedrotError('not_found', `run ${run} has no manifests`);
      const rounds =
        round === undefined
          ? texts.map((_, index) => index + 1)
          : [readValue('number', round, 'round') as number];
      let differs = false;
      for (const number of rounds) {
        const manifest = manifestOf(texts, number);
        const scratch = mkdtempSync(join(tmpdir(), 'fedrot-audit-'));
        try {
          const pathOf =
            admin === undefined
              ? (sha256: string) => join(flags.dataFolder ?? '', 'tensors', `${sha256}.safetensors`)
              : await (await import('../audit/download.js')).downloadRound(admin, manifest, scratch);
          const { expected, computed, differing, software } = replayRound(manifest, pathOf);
          const same = expected === computed && differing.length === 0;
          differs ||= !same;
          const made = `fedrot ${software.fedrot}, Node ${software.node}, ${software.platform}-${software.arch}, ${software.kernel}`;
          if (flags.json === true)
            context.out(
              `${JSON.stringify({ run, round: number, same, expected, computed, differing, software })}\n`,
            );
          else if (same) context.out(`same    ${run} round ${number}: ${computed}\n`);
          else
            context.out(
              `DIFFERS ${run} round ${number}: computed ${computed}, the manifest says ${expected}${differing.map((what) => `; its ${what} file differs`).join('')} (made by ${made}; here runs Node ${process.version})\n`,
            );
        } finally {
          rmSync(scratch, { recursive: true, force: true });
        }
      }
      if (differs) throw new Exit(1);
    });
  });

interface LogRow {
  readonly seq: number;
  readonly timeMs: number;
  readonly body: Readonly<Record<string, string | undefined>>;
}

const COLUMNS: readonly Column<LogRow>[] = [
  { title: 'NO', value: ({ seq }) => seq },
  { title: 'WHEN', value: ({ timeMs }) => formatTime(timeMs) },
  { title: 'WHO', value: ({ body }) => body.actor },
  { title: 'DID', value: ({ body }) => body.action },
  { title: 'TO', value: ({ body }) => body.object },
  {
    title: 'OUTCOME',
    value: ({ body }) => (body.code === undefined ? body.outcome : `${body.outcome} (${body.code})`),
  },
  { title: 'DETAIL', value: ({ body }) => body.detail ?? '' },
];

const buildShow: BuildCommand = (context) =>
  addSource(leaf('show', 'show the audit log')).action(async (flags: SourceFlags, command: Command) => {
    const text = await withSource(flags, command, context, (source) => source.audit());
    if (flags.json === true) {
      context.out(text);
      return;
    }
    const rows = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogRow);
    context.out(formatTable(rows, COLUMNS, 'the log is empty'));
  });

export const build: BuildCommand = (context) =>
  group('audit', 'verify, replay and show what happened', [
    buildVerify(context),
    buildReplay(context),
    buildShow(context),
  ]);
