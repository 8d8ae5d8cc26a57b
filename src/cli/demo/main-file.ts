import { fileURLToPath } from 'node:url';

/** The compiled command line that child processes run; from src (tests) it is the one in dist. */
export const MAIN = fileURLToPath(new URL('../main.js', import.meta.url)).replace(
  /([\\/])src([\\/]cli[\\/]main\.js)$/,
  '$1dist$2',
);
