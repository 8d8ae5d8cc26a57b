/** One example. Lives on the silo only: nothing of it goes into messages or logs. */
export interface Example {
  /** The text, or the prompt of a completion. */
  readonly text: string;
  readonly textPair?: string;
  /** '' where the data have none. */
  readonly label: string;
  /** What a language model is to write after `text`. */
  readonly completion?: string;
  /** The text by words, each with its label. */
  readonly words?: readonly { readonly word: string; readonly tag: string }[];
  /** Value of the field that a simulation divides the examples by. */
  readonly group?: string;
  /** Where it ends in its file, from 1: for error messages. */
  readonly line: number;
}

/** One row of a data file before its columns are looked at. */
export interface Row {
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}
