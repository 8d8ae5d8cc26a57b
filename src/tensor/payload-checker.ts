import { createHash, timingSafeEqual, type Hash } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { firstNotFinite, squareSum } from './bytes.js';
import { canonicalHeader, checkCanonical, payloadBytes, tensorBytes } from './canonical.js';
import { BYTES_PER_ELEMENT } from './dtype.js';
import type { TensorInfo } from './tensor.js';

/**
 * Checks a payload while it streams in: chunks come in order without gaps, every element is finite, and the SHA-256 of the
 * canonical file (header made from the manifest, then payload) is the one that the sender states. Chunks may have any size,
 * any address, and may cut an element in two. After an error the checker must not be used again.
 */
export class PayloadChecker {
  readonly payloadBytes: number;
  readonly #tensors: readonly TensorInfo[];
  readonly #hash: Hash;
  #received = 0;
  #squares = 0;
  /** The tensor that the next byte belongs to, and how many of its bytes were seen. */
  #tensor = 0;
  #within = 0;
  /** The first bytes of an element that a chunk cut in two. */
  readonly #cut = Buffer.alloc(4);
  #cutBytes = 0;

  /** `tensors` in canonical order, as the manifest lists them. Throws as checkCanonical does. */
  constructor(tensors: readonly TensorInfo[]) {
    checkCanonical(tensors);
    this.#tensors = tensors;
    this.payloadBytes = payloadBytes(tensors);
    this.#hash = createHash('sha256').update(canonicalHeader(tensors));
  }

  /** Payload bytes that were taken so far: where the next chunk begins. */
  get received(): number {
    return this.#received;
  }

  /** Euclidean norm of all elements that were taken so far. */
  get norm(): number {
    return Math.sqrt(this.#squares);
  }

  /** Takes the next chunk. Throws stream_truncated (bytes skipped or repeated), message_too_large, tensor_not_finite. */
  push(offset: number, chunk: Uint8Array): void {
    if (offset !== this.#received)
      throw new FedrotError(
        'stream_truncated',
        `a chunk begins at byte ${offset} of the payload; expected ${this.#received}`,
      );
    if (offset + chunk.length > this.payloadBytes)
      throw new FedrotError(
        'message_too_large',
        `the payload goes beyond the ${this.payloadBytes} bytes that the manifest announced`,
      );
    this.#hash.update(chunk);
    this.#received += chunk.length;
    this.#scan(chunk);
  }

  /** The SHA-256 as hex, once everything is there. Throws stream_truncated, or checksum_mismatch where `expected` (32 bytes) is another. */
  finish(expected?: Uint8Array): string {
    if (this.#received !== this.payloadBytes)
      throw new FedrotError(
        'stream_truncated',
        `the payload ends after ${this.#received} of ${this.payloadBytes} bytes`,
      );
    const digest = this.#hash.digest();
    if (expected && (expected.length !== digest.length || !timingSafeEqual(expected, digest)))
      throw new FedrotError(
        'checksum_mismatch',
        `the sender states SHA-256 ${Buffer.from(expected).toString('hex')}, the received bytes have ${digest.toString('hex')}`,
      );
    return digest.toString('hex');
  }

  #scan(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const tensor = this.#tensors[this.#tensor]!;
      const left = tensorBytes(tensor) - this.#within;
      if (left === 0) {
        this.#tensor++;
        this.#within = 0;
        continue;
      }
      const take = Math.min(left, chunk.length - at);
      this.#scanTensor(tensor, chunk.subarray(at, at + take));
      at += take;
    }
  }

  /** `bytes` all belong to the current tensor. */
  #scanTensor(tensor: TensorInfo, bytes: Uint8Array): void {
    const size = BYTES_PER_ELEMENT[tensor.dtype];
    const head = this.#cutBytes === 0 ? 0 : Math.min(size - this.#cutBytes, bytes.length);
    if (head > 0) {
      this.#cut.set(bytes.subarray(0, head), this.#cutBytes);
      this.#cutBytes += head;
      this.#within += head;
      if (this.#cutBytes < size) return;
      this.#cutBytes = 0;
      this.#refuse(tensor, this.#cut.subarray(0, size), this.#within - size);
    }
    const whole = bytes.length - head - ((bytes.length - head) % size);
    this.#refuse(tensor, bytes.subarray(head, head + whole), this.#within);
    const tail = bytes.subarray(head + whole);
    this.#cut.set(tail);
    this.#cutBytes = tail.length;
    this.#within += whole + tail.length;
  }

  #refuse(tensor: TensorInfo, elements: Uint8Array, within: number): void {
    // One pass where all is well: squares of float32 stay finite in float64, so one NaN or infinity shows in their sum.
    const squares = squareSum(elements, tensor.dtype);
    if (Number.isFinite(squares)) {
      this.#squares += squares;
      return;
    }
    const at = firstNotFinite(elements, tensor.dtype);
    const index = within / BYTES_PER_ELEMENT[tensor.dtype] + at;
    throw new FedrotError(
      'tensor_not_finite',
      `tensor ${tensor.name}, ${tensor.dtype} [${tensor.shape.join(', ')}]: element ${index} is NaN or infinite`,
    );
  }
}
