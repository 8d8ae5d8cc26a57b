import { Metadata, status, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { asFedrotError, ERROR_CODES, FedrotError, type ErrorCode } from '../errors.js';

/** The trailer that carries the code of src/errors.ts beside the gRPC status. */
export const CODE_TRAILER = 'fedrot-code';

/** Longest message that is sent: it travels as an HTTP/2 header, percent-encoded. */
const MAX_MESSAGE_CHARACTERS = 2000;

/** What a caller learns of a failure that is not his: the rest is in the log. */
const INTERNAL_MESSAGE = 'internal error; the log of the other side says more';

/** The total table. Meaning of the statuses: https://grpc.io/docs/guides/status-codes/ */
export const STATUS_OF_CODE: Readonly<Record<ErrorCode, status>> = {
  config_invalid: status.INVALID_ARGUMENT,
  config_unknown_key: status.INVALID_ARGUMENT,
  data_invalid: status.INVALID_ARGUMENT,
  data_missing_column: status.INVALID_ARGUMENT,
  data_empty: status.INVALID_ARGUMENT,
  data_unknown_label: status.INVALID_ARGUMENT,
  tensor_name: status.INVALID_ARGUMENT,
  tensor_shape: status.INVALID_ARGUMENT,
  tensor_dtype: status.INVALID_ARGUMENT,
  tensor_not_finite: status.OUT_OF_RANGE,
  manifest_invalid: status.INVALID_ARGUMENT,
  stream_truncated: status.ABORTED,
  checksum_mismatch: status.DATA_LOSS,
  message_too_large: status.RESOURCE_EXHAUSTED,
  file_invalid: status.INVALID_ARGUMENT,
  model_unsupported: status.INVALID_ARGUMENT,
  op_unsupported: status.INVALID_ARGUMENT,
  option_invalid: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  run_unknown: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  round_closed: status.FAILED_PRECONDITION,
  run_closed: status.FAILED_PRECONDITION,
  not_assigned: status.FAILED_PRECONDITION,
  protocol_version: status.FAILED_PRECONDITION,
  precondition_failed: status.FAILED_PRECONDITION,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  unavailable: status.UNAVAILABLE,
  quota_exceeded: status.RESOURCE_EXHAUSTED,
  storage_full: status.RESOURCE_EXHAUSTED,
  storage_failed: status.INTERNAL,
  storage_corrupt: status.DATA_LOSS,
  internal: status.INTERNAL,
};

/** What a status means where no trailer tells: it comes from grpc-js itself, a proxy, or a foreign server. */
const CODE_OF_STATUS: Readonly<Record<status, ErrorCode>> = {
  [status.OK]: 'internal',
  [status.CANCELLED]: 'cancelled',
  [status.UNKNOWN]: 'internal',
  [status.INVALID_ARGUMENT]: 'option_invalid',
  [status.DEADLINE_EXCEEDED]: 'deadline_exceeded',
  [status.NOT_FOUND]: 'not_found',
  [status.ALREADY_EXISTS]: 'already_exists',
  [status.PERMISSION_DENIED]: 'permission_denied',
  [status.RESOURCE_EXHAUSTED]: 'quota_exceeded',
  [status.FAILED_PRECONDITION]: 'precondition_failed',
  [status.ABORTED]: 'stream_truncated',
  [status.OUT_OF_RANGE]: 'option_invalid',
  [status.UNIMPLEMENTED]: 'protocol_version',
  [status.INTERNAL]: 'internal',
  [status.UNAVAILABLE]: 'unavailable',
  [status.DATA_LOSS]: 'checksum_mismatch',
  [status.UNAUTHENTICATED]: 'unauthenticated',
};

/** Messages of grpc-js 1.14 whose status alone says too little. */
const GRPC_MESSAGES: readonly { readonly status: status; readonly text: RegExp; readonly code: ErrorCode }[] =
  [
    {
      status: status.RESOURCE_EXHAUSTED,
      text: /message larger than max|decompresses to a size/i,
      code: 'message_too_large',
    },
    {
      status: status.INTERNAL,
      text: /RST_STREAM|ECONNRESET|GOAWAY|socket|protocol error/i,
      code: 'unavailable',
    },
    { status: status.CANCELLED, text: /RST_STREAM|connection dropped/i, code: 'unavailable' },
  ];

/** Fit for an HTTP/2 header: grpc-js calls encodeURI, which throws on a lone surrogate. */
function headerText(message: string): string {
  return message.slice(0, MAX_MESSAGE_CHARACTERS).replace(/\p{Surrogate}/gu, '\uFFFD');
}

/** Status, message and trailer for a caller. Details and causes stay here; a failure that was not foreseen only says that it happened. */
export function toServiceError(thrown: unknown): StatusObject {
  const error = asFedrotError(thrown);
  const metadata = new Metadata();
  metadata.set(CODE_TRAILER, error.code);
  const foreseen = thrown instanceof FedrotError && error.code !== 'internal';
  return {
    code: STATUS_OF_CODE[error.code],
    details: headerText(foreseen ? error.message : INTERNAL_MESSAGE),
    metadata,
  };
}

function isErrorCode(value: string): value is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(value);
}

/** The code that a status carries or, failing that, means. */
export function codeOfStatus(
  from: Pick<StatusObject, 'code' | 'details'> & { metadata?: Metadata | null },
): ErrorCode {
  const trailer = from.metadata?.get(CODE_TRAILER)[0];
  if (typeof trailer === 'string' && isErrorCode(trailer)) return trailer;
  const known = GRPC_MESSAGES.find((entry) => entry.status === from.code && entry.text.test(from.details));
  return known?.code ?? (CODE_OF_STATUS as Record<number, ErrorCode | undefined>)[from.code] ?? 'internal';
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    typeof thrown.code === 'number' &&
    'details' in thrown &&
    typeof thrown.details === 'string'
  );
}

/** What TLS says when it fails, in words that say what to do. */
const TLS_PROBLEMS: readonly { readonly text: RegExp; readonly meaning: string }[] = [
  {
    text: /alert protocol version|unsupported protocol|no protocols available/i,
    meaning: 'the two sides have no TLS version in common; fedrot speaks TLS 1.3 (1.2 only where configured)',
  },
  {
    text: /wrong version number|packet length too long|first record does not look/i,
    meaning:
      'the other side does not speak TLS: is this the coordinator’s port, and is it configured for TLS?',
  },
  {
    text: /does not match certificate's altnames|ALTNAME_INVALID/i,
    meaning:
      "the coordinator's certificate is for other host names; connect by one of them, or add this one to security.hosts of the coordinator",
  },
  { text: /certificate has expired|CERT_HAS_EXPIRED/i, meaning: "the coordinator's certificate has expired" },
  {
    text: /self[- ]signed certificate|unable to get (local )?issuer|unable to verify/i,
    meaning:
      "the coordinator's certificate does not come from an authority that is trusted here: another coordinator, or something in between that opens TLS",
  },
];

function withTlsMeaning(details: string): string {
  const known = TLS_PROBLEMS.find(({ text }) => text.test(details));
  return known === undefined ? details : `${known.meaning} (${details})`;
}

/** What a gRPC client call threw, as a FedrotError; network failures become `unavailable`. Other errors pass through asFedrotError. */
export function fromServiceError(thrown: unknown): FedrotError {
  if (!isServiceError(thrown)) return asFedrotError(thrown);
  const code = codeOfStatus(thrown);
  return new FedrotError(code, code === 'unavailable' ? withTlsMeaning(thrown.details) : thrown.details, {
    cause: thrown,
    details: { grpcStatus: status[thrown.code] },
  });
}
