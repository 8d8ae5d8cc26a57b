// Inputs from a corpus: an entry with a few mutations. The same seed, target and number give the same input from the same corpus.

const MOST_BYTES = 64 * 1024;

const pick = (random, list) => list[random.int(list.length)];
const slice = (random, bytes) => {
  const from = random.int(bytes.length + 1);
  return [from, Math.min(bytes.length, from + 1 + random.int(32))];
};
const splice = (bytes, from, to, middle) =>
  Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(to)]);

/** Numbers at which code goes wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff];
const VARINTS = [
  '00',
  '7f',
  '8001',
  'ffffffff07',
  'ffffffff0f',
  'ffffffffffffff0f',
  'ffffffffffffffffff01',
].map((hex) => Buffer.from(hex, 'hex'));

const MUTATIONS = [
  // one bit
  (random, bytes) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[random.int(copy.length)] ^= 1 << random.int(8);
    return copy;
  },
  // one byte
  (random, bytes) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[random.int(copy.length)] = random.int(256);
    return copy;
  },
  // a number at the edge of its type
  (random, bytes) => {
    const copy = Buffer.from(bytes);
    const value = pick(random, EDGES);
    const at = random.int(bytes.length + 1);
    if (at + 8 <= copy.length && random.int(2) === 0)
      copy.writeBigUInt64LE(BigInt(value) << BigInt(random.int(33)), at);
    else if (at + 4 <= copy.length) copy.writeUInt32LE(value, at);
    return copy;
  },
  // a length of protobuf
  (random, bytes) => {
    const at = random.int(bytes.length + 1);
    return splice(bytes, at, Math.min(bytes.length, at + random.int(3)), pick(random, VARINTS));
  },
  // noise in between
  (random, bytes) => {
    const noise = Buffer.from(Array.from({ length: 1 + random.int(16) }, () => random.int(256)));
    const at = random.int(bytes.length + 1);
    return splice(bytes, at, at, noise);
  },
  // something missing
  (random, bytes) => {
    const [from, to] = slice(random, bytes);
    return splice(bytes, from, to, Buffer.alloc(0));
  },
  // the end missing
  (random, bytes) => bytes.subarray(0, random.int(bytes.length + 1)),
  // something twice, or very often
  (random, bytes) => {
    const [from, to] = slice(random, bytes);
    const part = bytes.subarray(from, to);
    const times = random.int(20) === 0 ? 1 + random.int(2000) : 1 + random.int(3);
    return splice(bytes, to, to, Buffer.concat(Array.from({ length: times }, () => part)));
  },
  // a part of another entry
  (random, bytes, { corpus }) => {
    const other = pick(random, corpus);
    const [from, to] = slice(random, other);
    const at = random.int(bytes.length + 1);
    return splice(bytes, at, Math.min(bytes.length, at + random.int(16)), other.subarray(from, to));
  },
  // a word of the format
  (random, bytes, { words }) => {
    if (words.length === 0) return bytes;
    const at = random.int(bytes.length + 1);
    return splice(bytes, at, Math.min(bytes.length, at + random.int(6)), Buffer.from(pick(random, words)));
  },
];

/** Input number `index` of a target: its corpus first, then mutations of it. */
export function inputOf(random, target, index) {
  const { corpus } = target;
  if (index < corpus.length) return corpus[index];
  let bytes = pick(random, corpus);
  for (let left = 1 + random.int(4); left > 0; left--) bytes = pick(random, MUTATIONS)(random, bytes, target);
  return bytes.subarray(0, MOST_BYTES);
}
