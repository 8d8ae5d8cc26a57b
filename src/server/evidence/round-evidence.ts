import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fastKernels } from '../../align/fast-kernels.js';
import { jsKernels } from '../../align/kernels.js';
import type { Clock } from '../../clock.js';
import type { AuditLog } from '../../evidence/audit.js';
import { canonicalJson } from '../../evidence/canonical-json.js';
import { readRounds, roundPath, writeRound } from '../../evidence/round-files.js';
import { parseSignedRound, sealRound, type RoundManifest } from '../../evidence/round-manifest.js';
import { toPem } from '../../pki/certificate.js';
import type { Credential } from '../../pki/credential.js';
import { readPublicFile, writeFileAtomic } from '../../pki/secret-file.js';
import { sha256Hex } from '../../sha256.js';
import type { AggregationOutcome } from '../aggregation/aggregation-job.js';
import type { RunActor } from '../coordinator/run-actor.js';
import { baseOf, stalenessOf, stalenessScale } from '../round/staleness.js';
import { doneTasks } from '../round/tasks.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import type { Store } from '../store/store.js';

/** The aggregation's arithmetic: another one may round otherwise. 2: rotated factors in float32. */
const kernelName = (): string => (fastKernels() === jsKernels ? 'javascript' : 'wasm-simd-2');

export interface RoundEvidenceOptions {
  /** Holds a folder for each run. */
  readonly folder: string;
  readonly signer: Credential;
  readonly audit: AuditLog;
  readonly spool: TensorSpool;
  readonly store: Store;
  readonly clock: Clock;
  /** fedrot's version. */
  readonly softwareVersion: string;
}

/** What a round came to, before it is published. */
export interface SealedRound {
  readonly publishedMs: number;
}

/** Hashes of what a round came to. */
type RoundResult = Pick<AggregationOutcome, 'sha256' | 'merge' | 'state'>;

const isSame = (manifest: RoundManifest['result'], { sha256, merge, state }: RoundResult): boolean =>
  manifest.sha256 === sha256 && manifest.merge === merge?.sha256 && manifest.state === state?.sha256;

/** Writes the signed manifest of every round, chained to the one before (docs/evidence.md). */
export class RoundEvidence {
  constructor(private readonly options: RoundEvidenceOptions) {}

  /** Adds the signer's certificate to those that verify this coordinator's evidence. */
  keepSigner(): void {
    const path = join(this.options.folder, 'signers.pem');
    const { certificates } = this.options.signer;
    const known = existsSync(path) ? readPublicFile(path) : '';
    const missing = certificates.filter((certificate) => !known.includes(certificate.toString().trim()));
    if (missing.length > 0) writeFileAtomic(path, known + toPem(missing));
  }

  /** A run's signed manifests in order, and the certificates of the signers. */
  async read(runId: string): Promise<{ readonly texts: readonly string[]; readonly signersPem: string }> {
    return {
      texts: await readRounds(this.folderOf(runId)),
      signersPem: readPublicFile(join(this.options.folder, 'signers.pem')),
    };
  }

  folderOf(runId: string): string {
    return join(this.options.folder, runId);
  }

  /**
   * Seals a round that was aggregated: durable before the adapter is published. A round that was sealed before a crash, with the same
   * result, keeps its manifest. Throws storage_failed, file_invalid where the chain so far cannot be read.
   */
  async seal(run: RunActor, round: number, result: RoundResult): Promise<SealedRound> {
    const folder = this.folderOf(run.runId);
    const path = roundPath(folder, round);
    if (existsSync(path)) {
      const { manifest } = parseSignedRound(await readFile(path, 'utf8'), path);
      if (isSame(manifest.result, result)) return { publishedMs: manifest.publishedMs };
      // Sealed, never published, and other software computes other bits: kept aside, not replaced.
      await rename(path, `${path}.unpublished-${this.options.clock.now()}`);
    }
    const before = (await readRounds(folder)).at(-1);
    const previous = before === undefined ? null : parseSignedRound(before, `${folder}, the round before`);
    const publishedMs = this.options.clock.now();
    const sealed = sealRound(
      await this.#body(run, round, result, publishedMs),
      previous,
      this.options.signer.key,
    );
    await writeRound(folder, sealed);
    return { publishedMs };
  }

  async #body(
    run: RunActor,
    round: number,
    result: RoundResult,
    publishedMs: number,
  ): Promise<Omit<RoundManifest, 'format' | 'previous'>> {
    const { spool, store, audit, softwareVersion } = this.options;
    const { state, spec } = run;
    const { method, options, weighting, serverOptimizer, robust } = spec.aggregation;
    const reference = run.adapters.get(round - 1);
    const counted = doneTasks(state);
    const failures = await store.failures(run.runId, round);
    const codeOf = (silo: string): string =>
      failures.findLast((failure) => failure.silo === silo)?.code ?? 'deadline_exceeded';
    const updates: RoundManifest['updates'] = [];
    for (const task of counted) {
      const { silo, update } = task;
      if (update === undefined) continue;
      const [version, staleness] = [baseOf(state, task), stalenessOf(state, task)];
      const scale = stalenessScale(spec.rounds.staleness, staleness);
      updates.push({
        silo,
        sha256: update.sha256,
        bytes: (await spool.size(update.sha256)) ?? 0,
        examples: update.examples,
        weight: weighting === 'uniform' ? 1 : update.examples,
        ...(staleness > 0 && {
          stale: { version, sha256: run.adapters.get(version)?.sha256 ?? '', scale },
        }),
      });
    }
    return {
      run: run.runId,
      round,
      startedMs: state.startedMs,
      publishedMs,
      spec: sha256Hex(canonicalJson(JSON.parse(JSON.stringify(spec)))),
      bundle: spec.bundle,
      asked: state.tasks.map(({ silo, update }) => ({ silo, certificate: update?.certificate ?? null })),
      updates,
      failures: state.tasks
        .filter((task) => task.state !== 'done')
        .map(({ silo }) => ({ silo, code: codeOf(silo) })),
      aggregation: {
        method,
        options,
        weighting,
        seed: spec.seed,
        ...(serverOptimizer && { serverOptimizer }),
        ...(robust && { robust }),
      },
      reference: {
        version: round - 1,
        sha256: reference?.sha256 ?? '',
        ...(reference?.state && { state: reference.state.sha256 }),
      },
      result: {
        version: round,
        sha256: result.sha256,
        ...(result.state && { state: result.state.sha256 }),
        ...(result.merge && { merge: result.merge.sha256 }),
      },
      ...(state.rollback !== null && { rollback: state.rollback }),
      software: {
        fedrot: softwareVersion,
        node: process.version,
        platform: process.platform,
        arch: process.arch,
        kernel: kernelName(),
      },
      audit: { seq: audit.head.seq, hash: audit.head.hash },
    };
  }
}
