/** How a check came out: `fail` keeps the silo from working, `warn` may, `skip` could not be looked at. */
export type Outcome = 'ok' | 'warn' | 'fail' | 'skip';

export interface Finding {
  /** What was looked at, e.g. `disk`. */
  readonly check: string;
  readonly outcome: Outcome;
  /** What was found, on one line. */
  readonly message: string;
  /** What to do about it. */
  readonly fix?: string;
}

export const ok = (check: string, message: string): Finding => ({ check, outcome: 'ok', message });
export const skip = (check: string, message: string): Finding => ({ check, outcome: 'skip', message });
export const warn = (check: string, message: string, fix: string): Finding => ({
  check,
  outcome: 'warn',
  message,
  fix,
});
export const fail = (check: string, message: string, fix: string): Finding => ({
  check,
  outcome: 'fail',
  message,
  fix,
});
