/** A point of a line; `y` null leaves a gap. */
export interface Point {
  readonly x: number;
  readonly y: number | null;
}

/** How far values spread around a point of a line. */
export interface Spread {
  readonly x: number;
  readonly low: number;
  readonly high: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Drawn as a band behind the line. */
  readonly band?: readonly Spread[];
  /** `reference` is drawn dashed and quiet, to compare with. Default `main`. */
  readonly role?: 'main' | 'reference';
}

export interface Axis {
  readonly label: string;
  /** Text of a value in a tooltip. */
  readonly format: (value: number) => string;
  /** Text of a tick, short; default `format`. */
  readonly tick?: (value: number) => string;
  /** Ends of the axis; what is left out comes from the data. */
  readonly min?: number;
  readonly max?: number;
  /** Distances by ratio; all values must be above 0. Default linear. */
  readonly scale?: 'linear' | 'log';
  /** Ticks at whole numbers only. */
  readonly integer?: boolean;
}

/** A line chart as data; src/cli/report/line-chart.ts draws it. */
export interface LineChart {
  readonly title: string;
  /** One sentence: what is to be seen. */
  readonly note: string;
  readonly x: Axis;
  readonly y: Axis;
  /** At most as many as there are series colours (8); later ones repeat the first ones' colours, dashed. */
  readonly series: readonly Series[];
}
