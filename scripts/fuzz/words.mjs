// Words of the formats, which mutations put in and noise would hardly find.

export const JSON_WORDS = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u0000',
    '\\ud800',
    'null',
    'true',
    '-0',
    '1e999',
    '-1e-999',
  ],
  ...[
    '9007199254740993',
    '"__proto__":{}',
    '"constructor":1',
    '""',
    '{}',
    '[]',
    '[[[[[[[[',
    '\u0000',
    '\ud7ff',
  ],
];
export const YAML_WORDS = [
  ...JSON_WORDS,
  ...[
    '&a ',
    '*a',
    '<<: *a',
    '\n- ',
    '\n  ',
    '\t',
    '---\n',
    '...\n',
    '!!binary x',
    '!!set',
    '|\n',
    '>\n',
    '? ',
    '~',
    '#',
  ],
  ...['&a [*a,*a]', '0x7fffffffffffffff', '.inf', '.nan', '%YAML 9.9\n', '2001-01-01'],
];
export const CSV_WORDS = [
  '"',
  '""',
  ',',
  '\t',
  '\n',
  '\r\n',
  '\r',
  '\u0000',
  '\ufeff',
  'text',
  'label',
  '",\n"',
];
export const PEM_WORDS = [
  '-----BEGIN CERTIFICATE-----\n',
  '-----END CERTIFICATE-----\n',
  '\n',
  '=',
  '-----',
  'MII',
];

/** Texts, values as JSON, or bytes: as bytes. */
export const bytesOf = (...values) =>
  values.map((value) =>
    Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  );
