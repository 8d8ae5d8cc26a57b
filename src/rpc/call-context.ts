/** What a handler knows of the call beside its messages. */
export interface CallContext {
  /** E.g. SiloService. */
  readonly service: string;
  /** E.g. submitUpdate. */
  readonly method: string;
  /** The other side's address, for logs. */
  readonly peer: string;
  /** First value of a metadata key (lower case), e.g. `fedrot-session`; undefined where the caller sent none. */
  metadata(key: string): string | undefined;
  /** Aborted when the caller left, cancelled, or his deadline passed; never aborted by a normal end before the handler returns. */
  readonly signal: AbortSignal;
}
