import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, parseCanonical } from '../../src/evidence/canonical-json.js';
import { codeOf } from '../support/code-of.js';

/** Values of JSON without lone surrogates and without −0, which has no text of its own. */
const json = fc.jsonValue({ noUnicodeString: false }).filter((value) => {
  const text = JSON.stringify(value);
  return (
    !/\\ud[89a-f]/i.test(text) &&
    !JSON.stringify(value, (_k, v: unknown) => (Object.is(v, -0) ? 'MINUS0' : v)).includes('MINUS0')
  );
});

describe('RFC 8785', () => {
  test('its example of section 3.2.3', () => {
    // The input of the RFC, with its escapes.
    const value: unknown = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    );
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });
  test('its order of keys of section 3.2.3: UTF-16 code units', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const value = Object.fromEntries(keys.map((key) => [key, 0]));
    expect(Object.keys(JSON.parse(canonicalJson(value)) as object).filter((key) => key !== '1')).toEqual([
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\ud83d\ude00',
      '\ufb33',
    ]);
    expect(canonicalJson(value).startsWith('{"\\r":0,"1":0,')).toBe(true);
  });
});

test('one value, one text, whatever the order of the keys; and back', () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, shuffled(item)] as const);
    return Object.fromEntries(entries);
  };
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(shuffled(value))).toBe(text);
      expect(parseCanonical(text)).toEqual(value);
      expect(JSON.parse(text)).toEqual(value);
    }),
  );
});

test.each([
  ['undefined', { a: undefined }, /\$\.a undefined/],
  ['NaN', { a: [1, Number.NaN] }, /\$\.a\[1\] NaN/],
  ['infinity', Number.POSITIVE_INFINITY, /Infinity/],
  ['a bigint', 1n, /bigint/],
  ['half a surrogate pair', 'a\ud800', /surrogate/],
  ['half a surrogate pair in a key', { '\udc00': 1 }, /surrogate/],
  ['a date', { when: new Date(0) }, /not a plain object/],
  ['a map', new Map(), /not a plain object/],
])('%s is refused', (_label, value, message) => {
  expect(() => canonicalJson(value)).toThrow(message);
  expect(codeOf(() => canonicalJson(value))).toBe('manifest_invalid');
});

test('deep nesting is refused, not a stack overflow', () => {
  const text = '['.repeat(100_000) + ']'.repeat(100_000);
  expect(codeOf(() => parseCanonical(text))).toBe('file_invalid');
});

test.each([
  '{"a":1,"a":1}',
  '{"b":1,"a":1}',
  '{"a": 1}',
  '[1.0]',
  '[-0]',
  '["\\u0041"]',
  '[1]\n',
  '',
  '{',
  '[1e400]',
])('%j is not canonical', (text) => {
  expect(codeOf(() => parseCanonical(text))).toBe('file_invalid');
});
