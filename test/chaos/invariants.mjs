// What must be true after every storm, judged from the data folder and from what the daemons said.
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { replayRound } from '../../dist/cli/audit/replay.js';
import { parseSignedRound } from '../../dist/evidence/round-manifest.js';
import { readRounds } from '../../dist/evidence/round-files.js';
import { verifyChain } from '../../dist/evidence/verify-chain.js';
import { SILOS } from './plan.mjs';

/** A closed attempt may take so much longer than its deadline: timers, a busy machine. */
const SLACK_MS = 3000;

/** So long a process may take to log what has just failed, on a busy machine. */
const LAST_WORDS_MS = 1000;

export async function judge(federation, run, plan, undisturbed) {
  const problems = [];
  const check = (ok, text) => ok || problems.push(text);
  check(run !== undefined, 'the run did not end');
  if (run === undefined) return { problems, comparable: false };
  check(run.state === 'RUN_STATE_FINISHED', `the run ended as ${run.state}: ${run.reason}`);

  const stored = readStore(federation.data, run.runId);
  const folder = join(federation.data, 'evidence', run.runId);
  const texts = await readRounds(folder);
  const manifests = texts.map((text) => parseSignedRound(text).manifest);
  const pathOf = (sha256) => join(federation.data, 'tensors', `${sha256}.safetensors`);

  checkCounting(federation, stored, manifests, plan.rounds, check);
  checkAdapters(stored, manifests, pathOf, check);
  checkChain(federation, texts, run, check);
  checkTimes(federation, plan, check);
  checkLog(stored, manifests, federation, check);

  const isWhole = ({ updates }) => updates.length === SILOS.length && updates.every(({ stale }) => !stale);
  const missed = manifests.filter((manifest) => !isWhole(manifest)).length;
  const versions = stored.adapters.map(({ sha256 }) => sha256);
  if (missed === 0 && undisturbed !== undefined)
    check(
      JSON.stringify(versions) === JSON.stringify(undisturbed),
      'the adapters differ from those of an undisturbed run although no silo missed its deadline',
    );
  return { problems, comparable: missed === 0, versions };
}

function readStore(data, runId) {
  const database = new Database(join(data, 'fedrot.sqlite'), { readonly: true });
  const all = (sql) => database.prepare(sql).all(runId);
  try {
    return {
      integrity: database.prepare('PRAGMA integrity_check').all(),
      adapters: all('SELECT * FROM adapters WHERE run_id = ? ORDER BY version'),
      updates: all('SELECT * FROM updates WHERE run_id = ?'),
      log: all('SELECT * FROM run_log WHERE run_id = ? ORDER BY seq'),
    };
  } finally {
    database.close();
  }
}

/** Every acknowledged update counts exactly once, in its own round where the run carries nothing over; nothing else counts. */
function checkCounting({ silos }, { updates }, manifests, { mode, late }, check) {
  const carries = mode === 'async' || late === 'carry';
  const acknowledged = new Map();
  for (const [silo, { logs }] of silos)
    for (const line of logs)
      if (/update accepted by the coordinator/.test(line.msg ?? ''))
        acknowledged.set(`${silo} round ${line.round}`, line.sha256);
  for (const [what, sha256] of acknowledged) {
    const [silo, , round] = what.split(' ');
    const counted = manifests.flatMap((manifest) =>
      manifest.updates
        .filter((update) => update.silo === silo && update.sha256 === sha256)
        .map(() => manifest.round),
    );
    check(
      counted.length === 1 && (carries ? counted[0] >= Number(round) : counted[0] === Number(round)),
      `the acknowledged update of ${what} was counted in rounds [${counted}]`,
    );
  }
  for (const { round, updates: listed } of manifests) {
    const names = listed.map(({ silo }) => silo);
    check(new Set(names).size === names.length, `round ${round} counts a silo twice: ${names}`);
    const rows = updates
      .filter((row) => row.counted_in === round)
      .map(({ silo, sha256 }) => `${silo} ${sha256}`);
    const manifest = listed.map(({ silo, sha256 }) => `${silo} ${sha256}`);
    check(
      JSON.stringify(rows.sort()) === JSON.stringify(manifest.sort()),
      `round ${round}: database and manifest name other updates`,
    );
  }
}

/** Every published adapter is, bit for bit, what the updates recorded as counted give; every file is what its name says. */
function checkAdapters({ adapters, integrity }, manifests, pathOf, check) {
  check(integrity[0]?.integrity_check === 'ok', `integrity_check: ${JSON.stringify(integrity)}`);
  check(
    JSON.stringify(adapters.map(({ version }) => version)) ===
      JSON.stringify([0, ...manifests.map(({ round }) => round)]),
    'versions in the database and rounds with a manifest are not the same',
  );
  for (const manifest of manifests) {
    const row = adapters.find(({ version }) => version === manifest.round);
    check(row?.sha256 === manifest.result.sha256, `version ${manifest.round} is not the one of its manifest`);
    const { computed } = replayRound(manifest, pathOf);
    check(computed === row?.sha256, `version ${manifest.round} is not what its updates give`);
  }
  for (const { sha256, version } of adapters) {
    const bytes = existsSync(pathOf(sha256)) ? readFileSync(pathOf(sha256)) : Buffer.alloc(0);
    check(
      createHash('sha256').update(bytes).digest('hex') === sha256,
      `the file of version ${version} is missing or another`,
    );
  }
}

function checkChain({ data }, texts, run, check) {
  const keys = readFileSync(join(data, 'evidence', 'signers.pem'), 'utf8')
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((pem) => pem.includes('BEGIN'))
    .map((pem) => new X509Certificate(pem).publicKey);
  const verdict = verifyChain(texts, keys, { run: run.runId, rounds: run.rounds.length });
  check(verdict.ok, `the chain of evidence is broken: ${JSON.stringify(verdict)}`);
  const left = readdirSync(join(data, 'tensors')).filter((name) => name.startsWith('temp-'));
  check(left.length === 0, `temporary files stayed: ${left}`);
}

/**
 * No attempt of a round lasts longer than its deadline, while the coordinator is there. A deadline is a time of day: where the clock was
 * set back, a coordinator that starts can only see that it is too far off, and gives it once more (src/server/round/restarted.ts).
 */
function checkTimes({ coordinator }, { rounds }, check) {
  let open;
  for (const line of coordinator.logs) {
    if (typeof line.phase !== 'string' || !/^run (is|has)/.test(line.msg ?? '')) continue;
    if (open !== undefined) {
      const absences = coordinator.away.filter(([from, to]) => from < line.at && to > open.at);
      const absent = absences.reduce(
        (sum, [from, to]) => sum + Math.min(to, line.at) - Math.max(from, open.at),
        0,
      );
      const again = absences.filter(([, to]) => to > coordinator.setBack).length;
      const most = rounds.deadlineMs * (1 + again) + SLACK_MS;
      const took = line.at - open.at - absent;
      check(
        took <= most,
        `round ${open.round} attempt ${open.attempt} stayed open for ${Math.round(took)} ms; its deadline is ${rounds.deadlineMs}`,
      );
    }
    open = line.phase === 'collecting' ? line : undefined;
  }
}

/** Who does not count in a round is in the run's log with a reason; injected faults of the disk are in the log of the process. */
function checkLog({ log }, manifests, { coordinator }, check) {
  check(
    log.every(({ seq }, index) => seq === index + 1),
    'the log has gaps',
  );
  for (const { round, asked, failures } of manifests) {
    const counted = asked.length - failures.length;
    for (const { silo } of failures)
      check(
        log.some((entry) => entry.round === round && entry.silo === silo && entry.level !== 'info'),
        `round ${round} went on without ${silo} (${counted} counted), and the log does not say why`,
      );
  }
  const retried = log.filter(({ kind }) => kind === 'round.retried');
  for (const { round, seq } of retried)
    check(
      log.some((entry) => entry.seq < seq && entry.round === round && entry.level !== 'info'),
      `round ${round} was tried again, and the log does not say why`,
    );
  // A process that was killed a moment later may not have come to say it.
  const killed = coordinator.away.map(([from]) => performance.timeOrigin + from);
  const hits = (
    existsSync(`${coordinator.controlFile}.hits`)
      ? readFileSync(`${coordinator.controlFile}.hits`, 'utf8').trim().split('\n')
      : []
  ).filter((line) => {
    const atMs = Number(line.split(' ')[1]);
    return !killed.some((from) => atMs <= from && from - atMs < LAST_WORDS_MS);
  }).length;
  // One that cannot even start says so in plain text.
  const said = [...coordinator.logs.map((line) => JSON.stringify(line)), ...coordinator.other].some((line) =>
    /disk is full|ENOSPC|SQLITE_FULL|no space left/.test(line),
  );
  check(hits === 0 || said, `${hits} writes failed for a full disk, and no log line says so`);
}
