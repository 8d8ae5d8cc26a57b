import { type FedrotError, type ErrorCode } from '../errors.js';

/** What of a failure leaves the silo. */
export interface FailureReport {
  readonly code: ErrorCode;
  /** At most 2,000 characters; never data, paths or labels. */
  readonly message: string;
}

const LOG = "; the silo's log says more";
const MAX_CHARACTERS = 2000;

/** How many examples are concerned, where the error counts them. */
function counted(error: FedrotError): string {
  const { unknown, examples } = error.details;
  if (typeof unknown !== 'number' || typeof examples !== 'number') return '';
  return ` (${unknown} of ${examples} examples)`;
}

/** The message without the place on this machine that it may begin with: `/data/bundles/…/model.onnx: `. */
const own = (error: FedrotError): string => error.message.replace(/^\S*[\\/]\S*: /, '');
const fixed =
  (text: string) =>
  (error: FedrotError): string =>
    `${text}${counted(error)}${LOG}`;

/**
 * What the coordinator is told for each code: the message itself only where it speaks of the run, the model or the wire; a
 * fixed text where it could quote data, labels, paths or anything unforeseen.
 */
const MESSAGES: Readonly<Record<ErrorCode, (error: FedrotError) => string>> = {
  config_invalid: own,
  config_unknown_key: own,
  data_invalid: fixed('an example of the silo cannot be used'),
  data_missing_column: fixed("the silo's data lacks a column"),
  data_empty: fixed('the silo has no examples for this task'),
  data_unknown_label: fixed("the silo's data has labels that the run does not know"),
  tensor_name: own,
  tensor_shape: own,
  tensor_dtype: own,
  tensor_not_finite: own,
  manifest_invalid: own,
  stream_truncated: fixed('a transfer broke off'),
  checksum_mismatch: fixed('what the silo received is not what was announced'),
  message_too_large: own,
  file_invalid: fixed('a file of the model cannot be used'),
  model_unsupported: own,
  op_unsupported: own,
  option_invalid: own,
  not_found: fixed('something that the task needs is not there'),
  run_unknown: own,
  already_exists: fixed('something exists already'),
  round_closed: own,
  run_closed: own,
  not_assigned: own,
  protocol_version: own,
  precondition_failed: own,
  unauthenticated: own,
  permission_denied: own,
  deadline_exceeded: own,
  cancelled: own,
  unavailable: own,
  quota_exceeded: own,
  storage_full: fixed('the disk of the silo is full'),
  storage_failed: fixed('the disk of the silo failed'),
  storage_corrupt: fixed('a file of the silo is damaged'),
  internal: fixed('the silo failed'),
};

export function failureReport(error: FedrotError): FailureReport {
  return { code: error.code, message: MESSAGES[error.code](error).slice(0, MAX_CHARACTERS) };
}
