import { readFileSync } from 'node:fs';

/** Of package.json, which lies one folder up from src and from dist alike. Read once. */
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** E.g. 0.1.0. */
export const packageVersion = (): string => version;
