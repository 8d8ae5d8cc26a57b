import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkModel } from '../../../src/train/ir/check-model.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import { loadModel } from '../../../src/train/ir/files.js';
import type { Graph, Model, Node } from '../../../src/train/ir/graph.js';

const node = (changes: Partial<Node>): Node => ({
  op: 'Identity',
  domain: '',
  name: 'n',
  inputs: ['x'],
  outputs: ['y'],
  attributes: {},
  ...changes,
});

function model(nodes: readonly Node[], changes: Partial<Model> = {}, graph: Partial<Graph> = {}): Model {
  return {
    graph: {
      name: 'g',
      nodes,
      initializers: new Map(),
      inputs: [{ name: 'x', type: 'float', dims: [1] }],
      outputs: [{ name: 'y', type: 'float', dims: [1] }],
      ...graph,
    },
    opsets: new Map([['', 17]]),
    irVersion: 8,
    metadata: {},
    ...changes,
  };
}

const external = (file: string) => ({
  type: 'float' as const,
  dims: [1],
  data: { kind: 'external' as const, file, offset: 0, length: 4 },
});

test('standard and com.microsoft operators pass', () => {
  const good = model([node({}), node({ domain: 'com.microsoft', op: 'FusedMatMul' })], {
    opsets: new Map([
      ['', 17],
      ['com.microsoft', 1],
    ]),
  });
  expect(checkModel(good)).toBe(good);
});

test('a domain that is listed, and used by no node, loads nothing', () => {
  const listed = model([node({})], {
    opsets: new Map([
      ['', 17],
      ['ai.onnx.contrib', 1],
    ]),
  });
  expect(checkModel(listed)).toBe(listed);
});

const evil = node({ domain: 'evil.corp', op: 'Exec', name: 'bad' });
const inside = model([evil]).graph;

const refused: readonly [what: string, model: Model, told: RegExp][] = [
  [
    'a custom operator',
    model([evil]),
    /evil\.corp::Exec node "bad".*only those of ai\.onnx and com\.microsoft/,
  ],
  [
    'one in a subgraph',
    model([node({ op: 'If', attributes: { then_branch: { kind: 'graph', value: inside } } })]),
    /evil\.corp::Exec/,
  ],
  [
    'an operator that loads files',
    model([node({ domain: 'com.microsoft', op: 'EPContext' })]),
    /loads files of its own/,
  ],
  [
    'settings of the runtime',
    model([node({})], { metadata: { ort_config: '{}' } }),
    /does not configure the runtime/,
  ],
  ...['/etc/passwd', '../secret', 'C:\\secret', 'C:secret', 'sub/file', '.hidden', ''].map(
    (path): [string, Model, RegExp] => [
      `weights at ${JSON.stringify(path)}`,
      model([node({})], {}, { initializers: new Map([['w', external(path)]]) }),
      /must lie in a file beside the model/,
    ],
  ),
  [
    'a constant at a path',
    model([
      node({
        op: 'Constant',
        inputs: [],
        attributes: { value: { kind: 'tensor', value: external('../x') } },
      }),
    ]),
    /must lie in a file beside the model/,
  ],
];

for (const [what, given, told] of refused)
  test(`${what} is refused`, () => {
    expect(() => checkModel(given)).toThrow(told);
  });

test('a file is checked before anybody sees its model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-model-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'model.onnx'), encodeModel(model([evil])));
  expect(() => loadModel(folder)).toThrow(/model\.onnx: evil\.corp::Exec/);
});
