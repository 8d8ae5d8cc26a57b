import { parentPort } from 'node:worker_threads';
import { FedrotError } from '../../errors.js';
import { failure } from '../threads/answer.js';
import { collectGarbage } from '../threads/collect-garbage.js';
import type { Answer, Call } from './upload-calls.js';
import { openUpload, type Upload } from './upload-file.js';

type CallOfUpload = Exclude<Call, { readonly name: 'open' }>;

/** An upload, and when the last call for it is done. Chunks come without waiting for the one before: after one that failed none is taken. */
interface Taken {
  readonly upload: Promise<Upload>;
  last: Promise<unknown>;
  failed?: unknown;
}

const taken = new Map<number, Taken>();

async function open({ upload: id, args }: Extract<Call, { readonly name: 'open' }>): Promise<void> {
  const upload = openUpload(...args);
  taken.set(id, { upload, last: upload.catch(() => taken.delete(id)) });
  await upload;
}

async function perform(found: Taken, { name, args, upload: id }: CallOfUpload): Promise<unknown> {
  const upload = await found.upload;
  const ends = name === 'suspend' || name === 'discard';
  if (!ends && 'failed' in found) throw found.failed;
  try {
    const outcome = await (upload[name] as (...given: readonly unknown[]) => Promise<unknown>)(...args);
    if (name === 'publish') taken.delete(id);
    return outcome;
  } catch (thrown) {
    found.failed = thrown;
    throw thrown;
  } finally {
    if (ends) taken.delete(id);
  }
}

function inTurn(call: Call): Promise<unknown> {
  if (call.name === 'open') return open(call);
  const found = taken.get(call.upload);
  if (found === undefined) throw new FedrotError('internal', 'this upload is not open');
  const done = found.last.then(() => perform(found, call));
  found.last = done.catch(() => undefined);
  return done;
}

async function answer(call: Call): Promise<Answer> {
  const { seq } = call;
  try {
    return { seq, outcome: await inTurn(call) };
  } catch (thrown) {
    return { seq, ...failure(thrown) };
  }
}

/** So much of what has been written lies about at most; more often, and what is being worked on would be kept for old. */
const GARBAGE_BYTES = 8 * 1024 * 1024;
/** So much is worth a look at everything when there is nothing else to do. */
const REST_BYTES = 1024 * 1024;
let garbageBytes = 0;

/** What has been written and dropped is given back: V8 would let some 64 MB of it lie about. */
function tidy(call: Call): void {
  if (call.name === 'take') garbageBytes += call.args[1].length;
  const atRest = taken.size === 0 && garbageBytes >= REST_BYTES;
  if (!atRest && garbageBytes < GARBAGE_BYTES) return;
  garbageBytes = 0;
  collectGarbage({ young: !atRest });
}

parentPort?.on('message', (call: Call) => {
  void answer(call).then((said) => {
    parentPort?.postMessage(said);
    tidy(call);
  });
});
