import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ErrorBody } from '../../api/types.js';
import type { ErrorCode, FedrotError } from '../../errors.js';

/** HTTP status of every code (RFC 9110, 15); total by its type. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, ContentfulStatusCode>> = {
  config_invalid: 400,
  config_unknown_key: 400,
  data_invalid: 400,
  data_missing_column: 400,
  data_empty: 400,
  data_unknown_label: 400,
  tensor_name: 400,
  tensor_shape: 400,
  tensor_dtype: 400,
  tensor_not_finite: 400,
  manifest_invalid: 400,
  stream_truncated: 400,
  checksum_mismatch: 400,
  message_too_large: 413,
  file_invalid: 400,
  model_unsupported: 400,
  op_unsupported: 400,
  option_invalid: 400,
  not_found: 404,
  run_unknown: 404,
  already_exists: 409,
  round_closed: 409,
  run_closed: 409,
  not_assigned: 409,
  protocol_version: 400,
  precondition_failed: 409,
  unauthenticated: 401,
  permission_denied: 403,
  deadline_exceeded: 504,
  cancelled: 499 as ContentfulStatusCode, // the caller is gone; nobody reads it
  unavailable: 503,
  quota_exceeded: 429,
  storage_full: 507,
  storage_failed: 500,
  storage_corrupt: 500,
  internal: 500,
};

/** What only the log may tell in full. */
const OURS: ReadonlySet<ErrorCode> = new Set(['internal']);

export const isOurs = ({ code }: FedrotError): boolean => OURS.has(code) || code.startsWith('storage_');

export function errorBody({ code, message }: Pick<FedrotError, 'code' | 'message'>): ErrorBody {
  const text = OURS.has(code) ? "something went wrong here; the coordinator's log says more" : message;
  return { error: { code, message: text } };
}
