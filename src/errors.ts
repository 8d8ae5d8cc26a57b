/**
 * The one error class. A code says what kind of thing went wrong; the message says what, where and what to do.
 * The set is closed: src/rpc/status.ts maps every code to a gRPC status and a test proves the table total.
 */
export const ERROR_CODES = [
  // what the caller sent is wrong
  'config_invalid',
  'config_unknown_key',
  'data_invalid',
  'data_missing_column',
  'data_empty',
  'data_unknown_label',
  'tensor_name',
  'tensor_shape',
  'tensor_dtype',
  'tensor_not_finite',
  'manifest_invalid',
  'stream_truncated',
  'checksum_mismatch',
  'message_too_large',
  'file_invalid',
  'model_unsupported',
  'op_unsupported',
  'option_invalid',
  // what the caller asked for is not there, or not now
  'not_found',
  'run_unknown',
  'already_exists',
  'round_closed',
  'run_closed',
  'not_assigned',
  'protocol_version',
  'precondition_failed',
  // who the caller is
  'unauthenticated',
  'permission_denied',
  // what happened to us
  'deadline_exceeded',
  'cancelled',
  'unavailable',
  'quota_exceeded',
  'storage_full',
  'storage_failed',
  'storage_corrupt',
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Extra facts for the log; never shown to a remote caller. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export class FedrotError extends Error {
  override readonly name = 'FedrotError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.details = options.details ?? {};
  }

  readonly details: ErrorDetails;
}

/** Any thrown value as a FedrotError; what was not ours becomes `internal` with the cause kept. */
export function asFedrotError(thrown: unknown): FedrotError {
  if (thrown instanceof FedrotError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new FedrotError('internal', message, { cause: thrown });
}
