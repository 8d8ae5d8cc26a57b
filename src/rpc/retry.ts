import type { ErrorCode } from '../errors.js';

/** Waiting times between attempts; pure data. */
export interface RetryPolicy {
  /** Wait after the first failure; ms, default 500. */
  readonly initialMs: number;
  /** Longest wait; ms, default 30,000. */
  readonly maxMs: number;
  /** Each wait is so much longer than the one before; default 2. */
  readonly factor: number;
  /** Attempts altogether; default without end. */
  readonly maxAttempts: number;
}

export const RETRY_FOR_EVER: RetryPolicy = {
  initialMs: 500,
  maxMs: 30_000,
  factor: 2,
  maxAttempts: Number.POSITIVE_INFINITY,
};

/**
 * Wait before attempt `failures + 1`, where `failures` ≥ 1 attempts have failed in a row; ms. Undefined where the policy
 * gives up. Equal jitter: half of the exponential wait is certain, half is drawn, so that a thousand silos do not return
 * at once (AWS Architecture Blog, "Exponential Backoff And Jitter"). `random` is uniform in [0, 1).
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failures: number,
  random: () => number,
): number | undefined {
  if (failures >= policy.maxAttempts) return undefined;
  // The exponent is bounded so that a failure number of millions stays finite.
  const full = Math.min(policy.maxMs, policy.initialMs * policy.factor ** Math.min(failures - 1, 64));
  return full / 2 + random() * (full / 2);
}

/** How often a `few` code is tried. */
export const FEW_ATTEMPTS = 3;

/**
 * Whether the same call can succeed later without anybody changing what it says:
 * `retry` after a wait; `few` such attempts, then it is no accident; `register` first, the coordinator has forgotten the
 * session; `never`.
 */
export const RETRY_OF_CODE: Readonly<Record<ErrorCode, 'retry' | 'few' | 'register' | 'never'>> = {
  config_invalid: 'never',
  config_unknown_key: 'never',
  data_invalid: 'never',
  data_missing_column: 'never',
  data_empty: 'never',
  data_unknown_label: 'never',
  tensor_name: 'never',
  tensor_shape: 'never',
  tensor_dtype: 'never',
  tensor_not_finite: 'never',
  manifest_invalid: 'never',
  stream_truncated: 'retry',
  checksum_mismatch: 'few',
  message_too_large: 'never',
  file_invalid: 'never',
  model_unsupported: 'never',
  op_unsupported: 'never',
  option_invalid: 'never',
  not_found: 'never',
  run_unknown: 'never',
  already_exists: 'never',
  round_closed: 'never',
  run_closed: 'never',
  not_assigned: 'never',
  protocol_version: 'never',
  precondition_failed: 'never',
  unauthenticated: 'register',
  permission_denied: 'never',
  deadline_exceeded: 'retry',
  cancelled: 'retry',
  unavailable: 'retry',
  quota_exceeded: 'retry',
  storage_full: 'retry',
  storage_failed: 'retry',
  storage_corrupt: 'never',
  internal: 'retry',
};
