/** One labelled text, or pair of texts. Lives on the silo only: nothing of it goes into messages or logs. */
export interface Example {
  readonly text: string;
  readonly textPair?: string;
  readonly label: string;
  /** Where it ends in its file, from 1: for error messages. */
  readonly line: number;
}

/** One row of a data file before its columns are looked at. */
export interface Row {
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}
