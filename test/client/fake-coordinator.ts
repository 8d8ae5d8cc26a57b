import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FedrotError } from '../../src/errors.js';
import type { CallContext } from '../../src/rpc/call-context.js';
import type { AdapterRefInput } from '../../src/rpc/gen/fedrot/v1/AdapterRef.js';
import type { AssignmentInput } from '../../src/rpc/gen/fedrot/v1/Assignment.js';
import type { FileStreamInput } from '../../src/rpc/gen/fedrot/v1/FileStream.js';
import type { RegisterRequest } from '../../src/rpc/gen/fedrot/v1/RegisterRequest.js';
import type { ReportFailureRequest } from '../../src/rpc/gen/fedrot/v1/ReportFailureRequest.js';
import type { ReportProgressRequest } from '../../src/rpc/gen/fedrot/v1/ReportProgressRequest.js';
import type { SubmitEvaluationRequest } from '../../src/rpc/gen/fedrot/v1/SubmitEvaluationRequest.js';
import type { TensorStreamInput } from '../../src/rpc/gen/fedrot/v1/TensorStream.js';
import type { UpdateBegin } from '../../src/rpc/gen/fedrot/v1/UpdateBegin.js';
import { createRpcServer, type RpcServer } from '../../src/rpc/server.js';
import type { SiloHandlers } from '../../src/rpc/services.js';
import { sha256Hex } from '../../src/sha256.js';
import { canonicalHeader } from '../../src/tensor/canonical.js';
import { encodeTensorFile, tensorInfos } from '../../src/tensor/encode-file.js';
import { fromManifest, toManifest } from '../../src/tensor/manifest.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { siloHandlers } from '../rpc/handlers.js';

interface Upload {
  readonly begins: UpdateBegin[];
  payload: Buffer;
  accepted: boolean;
}

/** What goes wrong; each is used up, or stays while the test leaves it. */
export interface Faults {
  /** Registration is refused with this. */
  refuse?: FedrotError;
  /** After so many bytes of an upload the whole server dies; once. */
  dieInUploadAfter?: number;
  /** An upload is accepted, but the answer is lost; once. */
  loseAcknowledgement?: boolean;
  /** Uploads fail with this. */
  refuseUpload?: FedrotError;
  /** A download ends without an error after so many bytes; once each. */
  endDownloadAfter?: number[];
  /** A bundle file comes with one byte changed; so often. */
  damageBundle?: number;
  /** The adapter comes as another one. */
  wrongAdapter?: boolean;
}

const CHUNK = 64 * 1024;

function uploadKey({ runId, round, sha256 }: { runId: string; round: number; sha256: Buffer }): string {
  return `${runId}/${round}/${sha256.toString('hex')}`;
}

/** A coordinator without rounds: it hands out what a test says and keeps what comes. Its state outlives restarts, its sessions do not. */
export class FakeCoordinator {
  readonly faults: Faults = {};
  readonly outstanding: AssignmentInput[] = [];
  readonly registrations: RegisterRequest[] = [];
  readonly progress: ReportProgressRequest[] = [];
  readonly failures: ReportFailureRequest[] = [];
  readonly evaluations: SubmitEvaluationRequest[] = [];
  readonly uploads = new Map<string, Upload>();
  /** Offsets that downloads asked for, by what. */
  readonly downloads: { readonly what: string; readonly offset: number }[] = [];
  heartbeats = 0;
  heartbeatIntervalMs = 50;
  /** What Check says of the time, ahead of the real one. */
  clockOffMs = 0;
  watchers = 0;
  port = 0;
  #server: RpcServer | undefined;
  #sessions = new Set<string>();
  #wake = new Set<() => void>();
  #adapters = new Map<string, { readonly tensors: readonly NamedTensor[]; readonly bytes: Buffer }>();
  #bundle: { readonly folder: string; readonly sha256: string } | undefined;

  async start(): Promise<void> {
    this.#sessions = new Set();
    this.#server = createRpcServer({ silo: this.#handlers() });
    this.port = await this.#server.listen(`127.0.0.1:${this.port}`);
  }

  /** As a SIGKILL would: connections end in the middle. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close(0);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  forgetSessions(): void {
    this.#sessions.clear();
  }

  useBundle(bundle: { readonly folder: string; readonly sha256: string }): void {
    this.#bundle = bundle;
  }

  publish(runId: string, version: number, tensors: readonly NamedTensor[]): AdapterRefInput {
    const { bytes, sha256 } = encodeTensorFile(tensors);
    this.#adapters.set(`${runId}/${version}`, { tensors, bytes });
    return { runId, version, sha256: Buffer.from(sha256, 'hex'), bytes: bytes.length };
  }

  assign(assignment: AssignmentInput): void {
    this.outstanding.push(assignment);
    for (const wake of this.#wake) wake();
  }

  /** The whole file of an accepted update. */
  accepted(): { readonly begins: readonly UpdateBegin[]; readonly file: Buffer }[] {
    return [...this.uploads.values()]
      .filter((upload) => upload.accepted)
      .map(({ begins, payload }) => ({
        begins,
        file: Buffer.concat([canonicalHeader(fromManifest(begins[0]!.manifest)), payload]),
      }));
  }

  #known(context: CallContext): void {
    if (!this.#sessions.has(context.metadata('fedrot-session') ?? ''))
      throw new FedrotError('unauthenticated', 'the session is not known; register again');
  }

  #handlers(): SiloHandlers {
    const guarded =
      <Request, Response>(handle: (request: Request) => Response) =>
      (request: Request, context: CallContext): Promise<Response> => {
        this.#known(context);
        return Promise.resolve(handle(request));
      };
    return siloHandlers({
      register: (request) => {
        if (this.faults.refuse) throw this.faults.refuse;
        this.registrations.push(request);
        const sessionId = `session-${this.registrations.length}`;
        this.#sessions.add(sessionId);
        const { heartbeatIntervalMs } = this;
        return Promise.resolve({
          sessionId,
          protocol: 1,
          heartbeatIntervalMs,
          maxUpdateBytes: 1e9,
          chunkBytes: CHUNK,
        });
      },
      check: () =>
        Promise.resolve({
          serverTimeMs: Date.now() + this.clockOffMs,
          softwareVersion: 'fake',
          protocolMin: 1,
          protocolMax: 1,
          maxUpdateBytes: 1e9,
          connected: false,
        }),
      heartbeat: guarded(() => {
        this.heartbeats++;
        return { serverTimeMs: Date.now() };
      }),
      reportProgress: guarded((request) => {
        this.progress.push(request);
        return {};
      }),
      reportFailure: guarded((request) => {
        this.failures.push(request);
        this.#done(request.taskId);
        return {};
      }),
      submitEvaluation: guarded((request) => {
        this.evaluations.push(request);
        this.#done(request.taskId);
        return {};
      }),
      getUploadStatus: guarded((request) => {
        const upload = this.uploads.get(uploadKey(request));
        return { durableBytes: upload?.payload.length ?? 0, accepted: upload?.accepted ?? false };
      }),
      submitUpdate: (requests, context) => this.#submit(requests, context),
      watchAssignments: (_request, context) => this.#watch(context),
      fetchAdapter: (request, context) => this.#fetchAdapter(request, context),
      fetchBundleFile: (request, context) => this.#fetchBundleFile(request, context),
    });
  }

  #done(taskId: string): void {
    const at = this.outstanding.findIndex((assignment) => assignment.taskId === taskId);
    if (at >= 0) this.outstanding.splice(at, 1);
  }

  async *#watch(context: CallContext): AsyncGenerator<AssignmentInput, void, undefined> {
    this.#known(context);
    this.watchers++;
    const sent = new Set<AssignmentInput>();
    try {
      while (!context.signal.aborted) {
        for (const assignment of this.outstanding.filter((each) => !sent.has(each))) {
          sent.add(assignment);
          yield assignment;
        }
        await new Promise<void>((resolve) => {
          this.#wake.add(resolve);
          context.signal.addEventListener('abort', () => {
            resolve();
          });
        });
      }
    } finally {
      this.watchers--;
    }
  }

  async #submit(...[requests, context]: Parameters<SiloHandlers['submitUpdate']>) {
    this.#known(context);
    if (this.faults.refuseUpload) throw this.faults.refuseUpload;
    let upload: Upload | undefined;
    for await (const { begin, chunk, digest } of requests) {
      if (begin) {
        const key = uploadKey(begin);
        upload = this.uploads.get(key) ?? { begins: [], payload: Buffer.alloc(0), accepted: false };
        this.uploads.set(key, upload);
        upload.begins.push(begin);
        if (begin.offset !== upload.payload.length)
          throw new FedrotError(
            'stream_truncated',
            `offset ${begin.offset}, durable ${upload.payload.length}`,
          );
      } else if (chunk && upload) {
        if (chunk.offset !== upload.payload.length) throw new FedrotError('stream_truncated', 'a gap');
        upload.payload = Buffer.concat([upload.payload, chunk.data]);
        const limit = this.faults.dieInUploadAfter;
        if (limit !== undefined && upload.payload.length >= limit) {
          delete this.faults.dieInUploadAfter;
          await this.stop();
          throw new FedrotError('unavailable', 'dead');
        }
      } else if (digest && upload) {
        upload.accepted = true;
        const begin = upload.begins.at(-1)!;
        this.#done(begin.taskId);
        if (this.faults.loseAcknowledgement === true) {
          delete this.faults.loseAcknowledgement;
          throw new FedrotError('unavailable', 'the answer is lost');
        }
        return { sha256: digest.sha256 };
      }
    }
    throw new FedrotError('stream_truncated', 'no digest came');
  }

  /** Chunks from an offset on; ends early where a fault says so. Returns whether it came to the end. */
  async *#chunks(payload: Buffer, offset: number) {
    const limit = this.faults.endDownloadAfter?.shift() ?? Infinity;
    for (let at = offset; at < payload.length; at += CHUNK) {
      if (at - offset >= limit) return false;
      yield { chunk: { offset: at, data: payload.subarray(at, at + CHUNK) } };
      await Promise.resolve();
    }
    return true;
  }

  async *#fetchAdapter(
    { runId, version, offset }: { runId: string; version: number; offset: number },
    context: CallContext,
  ): AsyncGenerator<TensorStreamInput, void, undefined> {
    this.#known(context);
    this.downloads.push({ what: 'adapter', offset });
    const found = this.#adapters.get(`${runId}/${this.faults.wrongAdapter === true ? version + 1 : version}`);
    if (!found) throw new FedrotError('not_found', `there is no adapter ${version}`);
    const infos = tensorInfos(found.tensors);
    yield { manifest: toManifest(infos) };
    const payload = found.bytes.subarray(canonicalHeader(infos).length);
    if (yield* this.#chunks(payload, offset))
      yield { digest: { sha256: Buffer.from(sha256Hex(found.bytes), 'hex') } };
  }

  async *#fetchBundleFile(
    { bundleSha256, file, offset }: { bundleSha256: string; file: string; offset: number },
    context: CallContext,
  ): AsyncGenerator<FileStreamInput, void, undefined> {
    this.#known(context);
    this.downloads.push({ what: file, offset });
    if (bundleSha256 !== this.#bundle?.sha256)
      throw new FedrotError('not_found', `there is no bundle ${bundleSha256}`);
    const content = readFileSync(join(this.#bundle.folder, file));
    const sha256 = Buffer.from(sha256Hex(content), 'hex');
    if (file !== 'manifest.json' && (this.faults.damageBundle ?? 0) > 0) {
      this.faults.damageBundle!--;
      content[0]! ^= 1;
    }
    yield { info: { name: file, bytes: content.length } };
    if (yield* this.#chunks(content, offset)) yield { digest: { sha256 } };
  }
}
