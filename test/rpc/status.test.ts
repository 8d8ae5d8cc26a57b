import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, FedrotError } from '../../src/errors.js';
import { RETRY_OF_CODE } from '../../src/rpc/retry.js';
import {
  CODE_TRAILER,
  codeOfStatus,
  fromServiceError,
  STATUS_OF_CODE,
  toServiceError,
} from '../../src/rpc/status.js';

describe('the table of codes', () => {
  it('is total, and never OK', () => {
    expect(Object.keys(STATUS_OF_CODE).sort()).toEqual([...ERROR_CODES].sort());
    for (const code of ERROR_CODES) {
      expect(status[STATUS_OF_CODE[code]], code).toBeDefined();
      expect(STATUS_OF_CODE[code], code).not.toBe(status.OK);
    }
    expect(Object.keys(RETRY_OF_CODE).sort()).toEqual([...ERROR_CODES].sort());
  });

  it.each(ERROR_CODES)('%s survives the way to a client', (code) => {
    const sent = toServiceError(new FedrotError(code, 'what, where, what to do'));
    expect(codeOfStatus(sent)).toBe(code);
    const received = fromServiceError(Object.assign(new Error('13 …'), sent));
    expect(received.code).toBe(code);
    if (code !== 'internal') expect(received.message).toBe('what, where, what to do');
  });
});

describe('toServiceError', () => {
  it('keeps to itself what it did not foresee', () => {
    for (const thrown of [new Error('/home/x'), 'text', undefined, new FedrotError('internal', '/home/x')]) {
      const sent = toServiceError(thrown);
      expect(sent.code).toBe(status.INTERNAL);
      expect(sent.details).not.toContain('/home');
      expect(sent.metadata.get(CODE_TRAILER)).toEqual(['internal']);
    }
  });

  it('makes a message fit for a header', () => {
    const sent = toServiceError(new FedrotError('tensor_name', `\uD800${'x'.repeat(5000)}`));
    expect(sent.details.length).toBe(2000);
    expect(() => encodeURI(sent.details)).not.toThrow();
  });
});

describe('fromServiceError', () => {
  const error = (code: status, details: string, metadata = new Metadata()): Error =>
    Object.assign(new Error(`${code} ${details}`), { code, details, metadata });

  it.each([
    [status.UNAVAILABLE, 'No connection established', 'unavailable'],
    [status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)', 'unavailable'],
    [status.CANCELLED, 'Cancelled on client', 'cancelled'],
    [status.CANCELLED, 'Call cancelled: Received RST_STREAM with code 8', 'unavailable'],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded', 'deadline_exceeded'],
    [status.RESOURCE_EXHAUSTED, 'Received message larger than max (9 vs 8)', 'message_too_large'],
    [status.RESOURCE_EXHAUSTED, 'too many', 'quota_exceeded'],
    [status.UNIMPLEMENTED, 'The server does not implement the method', 'protocol_version'],
  ] as const)('reads status %i “%s” without a trailer as %s', (code, details, expected) => {
    const read = fromServiceError(error(code, details));
    expect(read).toMatchObject({ code: expected, message: details });
  });

  it('distrusts a trailer with a code that does not exist', () => {
    const metadata = new Metadata();
    metadata.set(CODE_TRAILER, 'nonsense');
    expect(fromServiceError(error(status.NOT_FOUND, 'no', metadata)).code).toBe('not_found');
  });

  it('leaves other errors as they are', () => {
    const ours = new FedrotError('storage_full', 'disk full');
    expect(fromServiceError(ours)).toBe(ours);
    expect(fromServiceError(new TypeError('x')).code).toBe('internal');
  });
});
