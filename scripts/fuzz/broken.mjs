import { bytesOf } from './words.mjs';

const kept = [];

/** What the fuzzer itself has to find; only when asked for by name. */
export const BROKEN = {
  'broken: throws': {
    corpus: bytesOf('abc'),
    words: [],
    run: (bytes) => {
      if (bytes.length > 4) null.length;
    },
  },
  'broken: hangs': {
    corpus: bytesOf('abc'),
    words: [],
    run: (bytes) => {
      while (bytes.length > 4);
    },
  },
  'broken: keeps': {
    corpus: bytesOf('abc'),
    words: [],
    run: () => {
      kept.push(Buffer.alloc(256 * 1024, 1));
    },
  },
  'broken: ends': {
    corpus: bytesOf('abc'),
    words: [],
    run: (bytes) => {
      if (bytes.length > 4) process.exit(0);
    },
  },
};
