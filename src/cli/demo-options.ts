import { z } from 'zod';
import { FedrotError } from '../errors.js';

const text = z.string();
const whole = (min: number, max: number) =>
  text
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const schema = z.object({
  rounds: whole(1, 1000),
  silos: whole(1, 64),
  method: z.enum(['fedrot', 'fedit'], { error: 'must be fedrot or fedit' }),
  rank: whole(1, 128),
  alpha: text
    .regex(/^\d*\.?\d+(?:e[-+]?\d+)?$/i, 'must be a number over 0')
    .transform(Number)
    .pipe(z.number().positive('must be a number over 0')),
  scrambleBasis: z.boolean(),
  seed: whole(0, 2 ** 31 - 1),
  steps: whole(1, 10_000),
  testSize: whole(50, 2000),
  out: text.min(1, 'must name a folder'),
  cache: text.min(1, 'must name a folder'),
  keepState: z.boolean(),
});

export type DemoOptions = Readonly<z.output<typeof schema>>;

/** Options as the command line gives them: texts, or nothing. */
export type DemoFlags = {
  readonly [K in keyof z.input<typeof schema>]?: z.input<typeof schema>[K] | undefined;
};

/** Chosen so that the demo reaches its accuracy within three minutes on two cores (docs/demo.md). */
export const DEMO_DEFAULTS = {
  rounds: '16',
  silos: '3',
  method: 'fedrot',
  rank: '4',
  alpha: '0.5',
  scrambleBasis: false,
  seed: '1',
  steps: '8',
  testSize: '400',
  out: 'demo-out',
  cache: '.cache/demo',
  keepState: false,
} as const satisfies z.input<typeof schema>;

const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Checks the demo's options and fills in what is missing. Throws option_invalid with the flag's name. */
export function readDemoOptions(flags: DemoFlags): DemoOptions {
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const parsed = schema.safeParse({ ...DEMO_DEFAULTS, ...given });
  if (parsed.success) return Object.freeze(parsed.data);
  const problems = parsed.error.issues.map(({ path, message }) => `${flagOf(String(path[0]))}: ${message}`);
  throw new FedrotError('option_invalid', problems.join('; '));
}
