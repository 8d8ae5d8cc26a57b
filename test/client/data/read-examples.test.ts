import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readExamples } from '../../../src/client/data/read-examples.js';

const folder = mkdtempSync(join(tmpdir(), 'fedrot-data-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const columns = { text: 'text', label: 'label' };

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('good files', () => {
  const expected = [
    { text: 'one', label: 'a', line: expect.any(Number) as number },
    { text: 'two, "quoted"\nin two lines', label: '1', line: expect.any(Number) as number },
    { text: '', label: 'b', line: expect.any(Number) as number },
  ];

  it.each([
    [
      'jsonl',
      '{"text":"one","label":"a","more":[1]}\n\n{"label":1,"text":"two, \\"quoted\\"\\nin two lines"}\r\n{"text":"","label":"b"}',
    ],
    [
      'ndjson',
      '\uFEFF{"text":"one","label":"a"}\n{"text":"two, \\"quoted\\"\\nin two lines","label":"1"}\n{"text":"","label":"b"}\n',
    ],
    ['csv', 'label,text\na,one\n1,"two, ""quoted""\nin two lines"\n\nb,\n'],
    ['CSV', '\uFEFFid, text ,label\r\n7,one,a\r\n8,"two, ""quoted""\nin two lines",1\r\n9,,b'],
    ['tsv', 'text\tlabel\none\ta\n"two, ""quoted""\nin two lines"\t1\n\tb\n'],
  ])('%s', async (ending, content) => {
    expect(await readExamples(file(`good.${ending}`, content), { columns })).toEqual(expected);
  });

  it('takes the columns and the format that it is told', async () => {
    const path = file('pairs.txt', 'p,h,gold\nA man,A person,yes\n');
    const renamed = { text: 'p', textPair: 'h', label: 'gold' };
    expect(await readExamples(path, { format: 'csv', columns: renamed })).toEqual([
      { text: 'A man', textPair: 'A person', label: 'yes', line: 2 },
    ]);
  });

  it('keeps characters that a chunk cuts in two, and counts lines', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) =>
      JSON.stringify({ text: `ä€😀${index}`, label: 'x' }),
    );
    const examples = await readExamples(file('long.jsonl', lines.join('\n')), { columns });
    expect(examples.map(({ text }) => text)).toEqual(lines.map((_, index) => `ä€😀${index}`));
    expect(examples.at(-1)?.line).toBe(20_000);
  });
});

describe('bad files say what is wrong, and where, in one line', () => {
  it.each([
    ['empty.jsonl', '', 'data_empty', /empty\.jsonl: holds no examples/],
    ['blank.jsonl', '\n \n', 'data_empty', /holds no examples/],
    ['header.csv', 'text,label\n', 'data_empty', /holds no examples/],
    ['empty.csv', '', 'data_empty', /holds no examples/],
    ['broken.jsonl', '{"text":"a","label":"b"}\n{"text":', 'data_invalid', /broken\.jsonl:2: is not JSON/],
    ['list.jsonl', '["a","b"]', 'data_invalid', /list\.jsonl:1: is not a JSON object/],
    [
      'missing.jsonl',
      '{"text":"a","label":"b"}\n{"body":"a","label":"b"}',
      'data_missing_column',
      /missing\.jsonl:2: has no column "text"; it has "body", "label"/,
    ],
    [
      'missing.csv',
      'text,class\na,b\n',
      'data_missing_column',
      /missing\.csv:2: has no column "label"; it has "text", "class"/,
    ],
    ['proto.jsonl', '{"text":"a"}', 'data_missing_column', /has no column "label"/],
    [
      'null.jsonl',
      '{"text":null,"label":"b"}',
      'data_invalid',
      /null\.jsonl:1: column "text" must be text, it is null/,
    ],
    [
      'nested.jsonl',
      '{"text":"a","label":["b"]}',
      'data_invalid',
      /column "label" must be text, it is a list/,
    ],
    [
      'nolabel.csv',
      'text,label\na,b\nc,\n',
      'data_invalid',
      /nolabel\.csv:3: column "label", the label, is empty/,
    ],
    [
      'ragged.csv',
      'text,label\na,b\na,b,c\n',
      'data_invalid',
      /ragged\.csv:3: has another number of columns/,
    ],
    [
      'open.csv',
      'text,label\n"a,b\nc,d\n',
      'data_invalid',
      /open\.csv:\d+: the file ends inside a quoted field/,
    ],
    ['quote.csv', 'text,label\na"b,c\n', 'data_invalid', /quote\.csv:2: has a quote inside a field/],
    [
      'after.csv',
      'text,label\n"a"b,c\n',
      'data_invalid',
      /after\.csv:2: has a character other than a delimiter after/,
    ],
    ['twice.csv', 'text,label,text\na,b,c\n', 'data_invalid', /twice\.csv:1: the column "text" comes twice/],
    [
      'latin.csv',
      Buffer.from('text,label\ncaf\xe9,b\n', 'latin1'),
      'data_invalid',
      /latin\.csv: is not UTF-8 text/,
    ],
    ['data.parquet', 'PAR1', 'data_invalid', /data\.parquet: the ending does not tell the format/],
  ])('%s', async (name, content, code, message) => {
    const failure = readExamples(file(name, content), { columns });
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    await expect(failure).rejects.toMatchObject({ message: expect.not.stringContaining('\n') as string });
  });

  it('a file that is not there', async () => {
    await expect(readExamples(join(folder, 'no.csv'), { columns })).rejects.toMatchObject({
      code: 'data_invalid',
      message: expect.stringMatching(/no\.csv: no such file/) as string,
    });
  });

  it('a folder', async () => {
    await expect(readExamples(folder, { format: 'jsonl', columns })).rejects.toMatchObject({
      code: 'data_invalid',
      message: expect.stringMatching(/is a folder/) as string,
    });
  });
});
