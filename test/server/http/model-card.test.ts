import { expect, it } from 'vitest';
import { parseRunSpec } from '../../../src/run-spec.js';
import { modelCard, type CardFacts } from '../../../src/server/http/model-card.js';

const facts: CardFacts = {
  runId: 'mail-1',
  spec: parseRunSpec({
    name: 'mail',
    bundle: 'b'.repeat(64),
    task: { kind: 'text-classification', labels: ['ham', 'spam'] },
  }),
  version: 3,
  sha256: 'a'.repeat(64),
  bytes: 1000,
  createdMs: 0,
  model: {
    name: 'minilm',
    architecture: 'bert',
    task: 'text-classification',
    labels: ['ham', 'spam'],
    maxTokens: 128,
    pooling: null,
    quantizedBits: null,
    targets: [],
    head: ['classifier'],
  },
  rounds: [],
  evaluations: [],
  silos: [
    { silo: 'clinic', examples: 1200, rounds: 3 },
    { silo: 'office', examples: 34, rounds: 1 },
  ],
  software: '0.1.0',
  coordinator: 'c',
  fingerprint: 'AB:CD',
};

it('says what an adapter was made of: silos with their examples, run, version, hash and signer', () => {
  const card = modelCard(facts);
  expect(card).toMatch(/^---\nlibrary_name: peft\nbase_model: "minilm"\n/);
  expect(card).toContain('1,234 examples in 2 silos');
  expect(card).toContain('| clinic | 1,200 | 3 |');
  expect(card).toContain('mail-1');
  expect(card).toContain('a'.repeat(64));
  expect(card).toContain('AB:CD');
});

it('keeps the name of a model that holds a bar or a line break in one value', () => {
  const model = { ...facts.model!, name: 'mini|lm\n# other' };
  const card = modelCard({ ...facts, model });
  expect(card).toContain('A LoRA adapter for mini lm # other');
  expect(card).not.toMatch(/^# other/m);
});

it('says of a head that reads the mean of all tokens how it is used from Python', () => {
  const says = /reads the mean of all tokens' vectors/;
  expect(modelCard(facts)).not.toMatch(says);
  expect(modelCard({ ...facts, model: { ...facts.model!, pooling: 'mean' } })).toMatch(says);
});
