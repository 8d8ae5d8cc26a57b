import { readFileSync } from 'node:fs';

/**
 * `fedrot 0.1.0`: what made a bundle. package.json lies two folders up from src/model and from dist/model
 * alike.
 */
export function software(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { name, version } = JSON.parse(text) as { name: string; version: string };
  return `${name} ${version}`;
}
