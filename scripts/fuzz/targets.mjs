// Everything that meets bytes from outside: corpus (made by fedrot's own code), words of the format, and what is done with an input.
// `run` may throw a FedrotError, which is an answer; anything else is a finding.
import { createPublicKey } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FedrotError } from '../../dist/errors.js';
import { encodeTensorFile, tensorInfos } from '../../dist/tensor/encode-file.js';
import { fromManifest, toManifest, checkManifest } from '../../dist/tensor/manifest.js';
import { PayloadChecker } from '../../dist/tensor/payload-checker.js';
import { openSafetensors, openTensorFile } from '../../dist/tensor/safetensors-file.js';
import { decodeRequest, decodeResponse } from '../../dist/rpc/decode.js';
import { adminService, enrolService, siloService } from '../../dist/rpc/protos.js';
import { receiveBegin, receivePayload, hashOf } from '../../dist/server/transfer/receive-payload.js';
import { encodeModel } from '../../dist/train/ir/codec.js';
import { loadModel } from '../../dist/train/ir/files.js';
import { readExamples } from '../../dist/client/data/read-examples.js';
import { clientConfigSchema } from '../../dist/client/config.js';
import { coordinatorConfigSchema } from '../../dist/server/config.js';
import { loadConfig } from '../../dist/cli/config/layers.js';
import { readYamlFile } from '../../dist/cli/config/yaml-file.js';
import { parseRunSpec } from '../../dist/run-spec.js';
import { siloInstructionsSchema } from '../../dist/align/instructions.js';
import { bundleManifestSchema } from '../../dist/model/bundle-manifest.js';
import { checkJson, parseJsonObject } from '../../dist/model/json-file.js';
import { parseBundleFiles } from '../../dist/server/spool/bundle-files.js';
import { createAuthority } from '../../dist/pki/authority.js';
import { certificateFacts, parseCertificates, toPem } from '../../dist/pki/certificate.js';
import { verifyCertificate } from '../../dist/pki/verify-certificate.js';
import { createRequest, verifyRequest } from '../../dist/pki/request.js';
import { generateKey, generateSigningKey } from '../../dist/pki/keys.js';
import { issueCertificate } from '../../dist/pki/issue.js';
import { ReplayWindow } from '../../dist/pki/replay-window.js';
import { signRequest, verifySignedRequest } from '../../dist/pki/signed-request.js';
import { parseFingerprint } from '../../dist/pki/fingerprint.js';
import { parseToken, newToken } from '../../dist/pki/secret-token.js';
import { parseProxy } from '../../dist/rpc/channel-options.js';
import { parseBundleSignature, signBundle, verifyBundle } from '../../dist/evidence/bundle-signature.js';
import { nextLine, verifyLog, EMPTY_LOG } from '../../dist/evidence/log-entry.js';
import { parseSignedRound, sealRound } from '../../dist/evidence/round-manifest.js';
import { verifyChain } from '../../dist/evidence/verify-chain.js';
import { bytesOf, CSV_WORDS, JSON_WORDS, PEM_WORDS, YAML_WORDS } from './words.mjs';

const NOW = Date.now();
const utf8 = new TextDecoder();
const text = (bytes) => utf8.decode(bytes);

/** One file for inputs that are read from one; in memory where the system offers that. */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fedrot-fuzz-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFile = (name, bytes) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

// Corpora ------------------------------------------------------------------------------------------------------------------

const tensors = [
  { name: 'base_model.model.q.lora_A.weight', shape: [2, 3], data: Float32Array.from([1, -2, 0.5, 0, 3, 4]) },
  { name: 'base_model.model.q.lora_B.weight', shape: [3, 2], data: new Float32Array(6).fill(0.25) },
  { name: 'base_model.model.head.bias', shape: [1], data: Float32Array.of(7) },
];
const tensorFiles = ['f32', 'f16', 'bf16'].map((dtype) => ({ dtype, ...encodeTensorFile(tensors, dtype) }));

/** Messages of a stream behind one another, each with its length before it. */
const frames = (messages) =>
  Buffer.concat(
    messages.flatMap((bytes) => {
      const length = Buffer.alloc(2);
      length.writeUInt16LE(bytes.length);
      return [length, bytes];
    }),
  );
function* unframed(bytes) {
  for (let at = 0; at + 2 <= bytes.length;) {
    const end = at + 2 + bytes.readUInt16LE(at);
    yield bytes.subarray(at + 2, end);
    at = end;
  }
}

const submit = siloService.methods.SubmitUpdate;
const payloadOf = ({ bytes }) => bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
function uploadOf(file, chunkBytes) {
  const payload = payloadOf(file);
  const sha256 = Buffer.from(file.sha256, 'hex');
  const chunks = [];
  for (let offset = 0; offset < payload.length; offset += chunkBytes)
    chunks.push({ chunk: { offset, data: payload.subarray(offset, offset + chunkBytes) } });
  const begin = {
    runId: 'run',
    round: 1,
    silo: 'a',
    taskId: 'run/1/1/a',
    baseVersion: 0,
    examples: 3,
    metrics: { loss: 0.5, steps: 1, seconds: 1, tokens: 9 },
    manifest: toManifest(tensors.map(({ name, shape }) => ({ name, shape, dtype: file.dtype }))),
    offset: 0,
    sha256,
  };
  return frames(
    [{ begin }, ...chunks, { digest: { sha256 } }].map((message) => submit.requestSerialize(message)),
  );
}

const external = { kind: 'external', file: 'model.onnx.data', offset: 0, length: 8 };
const model = (nodes, initializers = []) =>
  encodeModel({
    graph: {
      name: 'g',
      nodes,
      initializers: new Map(initializers),
      inputs: [{ name: 'x', type: 'float', dims: [1, 'n'] }],
      outputs: [{ name: 'y', type: 'float', dims: [1] }],
    },
    opsets: new Map([['', 17]]),
    irVersion: 8,
    metadata: { made: 'here' },
  });
const node = (op, attributes = {}, domain = '') => ({
  op,
  domain,
  name: op,
  inputs: ['x', 'w'],
  outputs: ['y'],
  attributes,
});
const plain = { type: 'float', dims: [2], data: { kind: 'inline', bytes: new Uint8Array(8) } };
const models = [
  () => model([node('MatMul')], [['w', plain]]),
  () =>
    model([node('Gemm', { alpha: { kind: 'float', value: 0.5 } })], [['w', { ...plain, data: external }]]),
  () => model([node('FusedMatMul', { transA: { kind: 'int', value: 1 } }, 'com.microsoft')]),
].map((make) => Buffer.from(make()));

const authority = await createAuthority({ name: 'fuzz', nowMs: NOW });
const partyKey = generateKey();
const issued = await issueCertificate(authority, {
  publicKey: createPublicKey(partyKey),
  identity: { kind: 'silo', name: 'a' },
  nowMs: NOW,
});
const signerKey = generateSigningKey();
const signer = await issueCertificate(authority, {
  publicKey: createPublicKey(signerKey),
  identity: { kind: 'signer', name: 'main' },
  nowMs: NOW,
});
const credential = { key: partyKey, certificates: [issued.certificate], roots: [authority.root] };

const hash = (digit) => String(digit).repeat(64);
const round = (number, previous) =>
  sealRound(
    {
      run: 'run',
      round: number,
      startedMs: 1,
      publishedMs: 2,
      spec: hash(1),
      bundle: hash(2),
      asked: [{ silo: 'a', certificate: null }],
      updates: [{ silo: 'a', sha256: hash(3), bytes: 9, examples: 3, weight: 3 }],
      failures: [],
      aggregation: { method: 'fedrot', options: {}, weighting: 'examples', seed: 0 },
      reference: { version: number - 1, sha256: hash(4) },
      result: { version: number, sha256: hash(5) },
      software: { fedrot: '0', node: 'v20', platform: 'linux', arch: 'x64', kernel: 'javascript' },
      audit: null,
    },
    previous,
    signerKey,
  );
const chain = [];
for (let number = 1; number <= 2; number++)
  try {
    chain.push(round(number, chain.length === 0 ? null : parseSignedRound(chain.at(-1).text)));
  } catch (error) {
    // A manifest that has got more fields: the other corpora still stand.
    if (!(error instanceof FedrotError)) throw error;
  }
const roundTexts =
  chain.length > 0 ? chain.map(({ text: sealed }) => sealed) : ['{"manifest":{},"signature":{}}'];

let head = EMPTY_LOG;
const logText = [{ action: 'a' }, { action: 'b', detail: 'ü' }]
  .map((body) => {
    const next = nextLine(head, body, NOW);
    ({ head } = next);
    return `${next.line}\n`;
  })
  .join('');

const spec = {
  name: 'mail',
  bundle: hash('a'),
  task: { kind: 'text-classification', labels: ['ham', 'spam'] },
  lora: { rank: 4, targetModules: ['query', '/.*value$/'] },
  aggregation: { method: 'fedrot', options: {} },
  silos: ['hospital-*'],
};
const bundleManifest = {
  format: 'fedrot-bundle',
  files: [{ name: 'model.onnx', bytes: 3, sha256: hash('b') }],
  task: { kind: 'text-classification', labels: ['ham', 'spam'] },
};

// Targets ------------------------------------------------------------------------------------------------------------------

async function runUpload(bytes) {
  const decode = decodeRequest(submit);
  async function* parts() {
    for (const message of unframed(bytes)) {
      const decoded = decode(message);
      if (decoded instanceof FedrotError) throw decoded;
      yield decoded;
    }
  }
  const messages = parts();
  const begin = await receiveBegin(messages);
  const sha256 = hashOf(begin.sha256, 'the update');
  const got = fromManifest(begin.manifest);
  checkManifest(tensorInfos(tensors), got, ['f32', 'f16', 'bf16']);
  const checker = new PayloadChecker(got);
  const digest = await receivePayload(messages, async (offset, data) => {
    checker.push(offset, data);
  });
  if (checker.finish(digest) !== sha256) throw new FedrotError('checksum_mismatch', 'another file');
}

function readTensors(bytes) {
  const path = inFile('tensors.safetensors', bytes);
  const any = openSafetensors(path);
  try {
    for (const { name } of any.entries) any.readBytes(name);
  } finally {
    any.close();
  }
  const file = openTensorFile(path);
  try {
    for (const { name } of file.tensors) file.read(name);
  } finally {
    file.close();
  }
}

const services = [siloService, adminService, enrolService].flatMap(({ methods }) => Object.values(methods));
function decodeMessages(bytes) {
  const method = services[(bytes[0] ?? 0) % services.length];
  const body = bytes.subarray(1);
  // What comes back is a FedrotError or a message; either is an answer.
  decodeRequest(method)(body);
  decodeResponse(method)(body);
}

const examplesIn = (format) => async (bytes) => {
  await readExamples(inFile(`examples.${format}`, bytes), {
    format,
    columns: clientConfigSchema.shape.data.parse({}).columns,
  });
};

const config = (schema) => (bytes) => {
  loadConfig(schema, { file: inFile('config.yaml', bytes), environment: {}, flags: {} });
};

function verifyHeaders(bytes) {
  const [signature = '', certificate = ''] = text(bytes).split('\n');
  verifySignedRequest(
    { 'fedrot-signature': signature, 'fedrot-certificate': certificate },
    { audience: 'main', method: '/x/Y', bodySha256: Buffer.alloc(32) },
    {
      roots: [authority.root],
      revocations: { serials: {}, names: {} },
      replays: new ReplayWindow(),
      nowMs: NOW,
    },
  );
}

function signatureOfBundle(bytes) {
  const signed = parseBundleSignature(text(bytes));
  const [leaf, ...intermediates] = parseCertificates(signed.certificates);
  if (leaf === undefined) return;
  verifyCertificate(leaf, { roots: [authority.root], intermediates, nowMs: NOW, usage: 'document' });
  verifyBundle(hash(6), signed, [leaf.publicKey]);
}

function smallTexts(bytes) {
  const [kind, ...rest] = text(bytes).split(' ');
  const value = rest.join(' ');
  if (kind === 'fingerprint') parseFingerprint(value);
  else if (kind === 'proxy') parseProxy(value);
  else parseToken('fedrot-enrol', value);
}

const sent = signRequest({ audience: 'main', method: '/x/Y', bodySha256: Buffer.alloc(32) }, credential, NOW);
const upload = (file) => [uploadOf(file, 16), uploadOf(file, 4096)];
const serialized = services.map((method, index) => {
  const empty = Buffer.from(method.requestSerialize({}));
  return Buffer.concat([Buffer.of(index), empty, Buffer.from('0a0361626310012a020807', 'hex')]);
});

/** name → { corpus, words, run }; `share`: of all inputs, in parts. */
export const TARGETS = {
  'update stream': { share: 3, corpus: tensorFiles.flatMap(upload), words: [], run: runUpload },
  messages: { share: 3, corpus: serialized, words: [], run: decodeMessages },
  safetensors: {
    share: 3,
    corpus: tensorFiles.map(({ bytes }) => Buffer.from(bytes)),
    words: [...JSON_WORDS, '"dtype":"F64"', '"shape":[1073741824,1073741824]', '"data_offsets":[0,9e15]'],
    run: readTensors,
  },
  onnx: {
    share: 2,
    corpus: models,
    words: ['evil.corp', '../../secret', 'external', 'location', 'offset', '-1', 'com.microsoft'],
    run: (bytes) => {
      inFile('model.onnx', bytes);
      loadModel(folder, 'model.onnx');
    },
  },
  jsonl: {
    share: 2,
    corpus: bytesOf(
      '{"text":"free offer","label":"spam"}\n{"text":"ünï","label":"ham"}\n',
      '{"text":1,"label":true}',
    ),
    words: JSON_WORDS,
    run: examplesIn('jsonl'),
  },
  csv: {
    share: 1,
    corpus: bytesOf('text,label\n"free, ""offer""",spam\nhello,ham\n', 'label,text,more\r\na,b,c\r\n'),
    words: CSV_WORDS,
    run: examplesIn('csv'),
  },
  tsv: { share: 1, corpus: bytesOf('text\tlabel\nfree\tspam\n'), words: CSV_WORDS, run: examplesIn('tsv') },
  'coordinator configuration': {
    share: 1,
    corpus: bytesOf(
      'dataFolder: data\ngrpc: { host: 0.0.0.0, port: 9470 }\nlimits:\n  maxUpdateBytes: 100\n',
    ),
    words: YAML_WORDS,
    run: config(coordinatorConfigSchema),
  },
  'silo configuration': {
    share: 1,
    corpus: bytesOf(
      'name: a\ndata:\n  train: x.jsonl\n  columns: { label: null }\naccept:\n  runs: ["spam-*"]\n',
    ),
    words: YAML_WORDS,
    run: config(clientConfigSchema),
  },
  'run specification': {
    share: 2,
    corpus: bytesOf(spec, 'name: mail\nbundle: ' + hash('a') + '\ntask: { kind: causal-lm }\n'),
    words: [...YAML_WORDS, 'method', 'fedavg', 'optimizer'],
    run: (bytes) => {
      parseRunSpec(readYamlFile(inFile('run.yaml', bytes)));
    },
  },
  'task of a coordinator': {
    share: 1,
    corpus: bytesOf(spec, { train: 'both', ownRank: 2 }),
    words: JSON_WORDS,
    run: (bytes) => {
      const value = parseJsonObject(text(bytes), 'task');
      siloInstructionsSchema.safeParse(value);
      parseRunSpec(value);
    },
  },
  'manifest of a bundle': {
    share: 1,
    corpus: bytesOf(bundleManifest),
    words: [...JSON_WORDS, '../', '/etc/passwd'],
    run: (bytes) => {
      parseBundleFiles(bytes);
      checkJson(bundleManifestSchema, parseJsonObject(text(bytes), 'manifest.json'), 'manifest.json');
    },
  },
  'manifests of rounds': {
    share: 1,
    corpus: bytesOf(...roundTexts),
    words: JSON_WORDS,
    run: (bytes) => {
      // A verdict, not an error, whatever comes.
      verifyChain([text(bytes), roundTexts.at(-1)], [createPublicKey(signerKey)], { run: 'run' });
      parseSignedRound(text(bytes));
    },
  },
  'audit log': {
    share: 1,
    corpus: bytesOf(logText),
    words: JSON_WORDS,
    run: (bytes) => {
      verifyLog(text(bytes), [head]);
    },
  },
  'signature of a bundle': {
    share: 1,
    corpus: bytesOf(signBundle(hash(6), signerKey, signer.chainPem)),
    words: [...JSON_WORDS, ...PEM_WORDS],
    run: signatureOfBundle,
  },
  certificates: {
    share: 1,
    corpus: bytesOf(issued.chainPem, toPem([authority.root]), signer.chainPem),
    words: PEM_WORDS,
    run: (bytes) => {
      for (const certificate of parseCertificates(text(bytes))) certificateFacts(certificate.raw);
    },
  },
  'certificate (DER)': {
    share: 1,
    corpus: [issued.certificate.raw, signer.certificate.raw],
    words: ['fedrot:silo:b', 'fedrot:operator:x:admin'],
    run: (bytes) => {
      certificateFacts(bytes);
    },
  },
  'certificate requests': {
    share: 1,
    corpus: bytesOf(await createRequest(partyKey, 'a')),
    words: PEM_WORDS,
    run: async (bytes) => {
      await verifyRequest(text(bytes));
    },
  },
  'signed requests': {
    share: 1,
    corpus: bytesOf(`${sent['fedrot-signature']}\n${sent['fedrot-certificate']}`),
    words: ['.', '-', '_', '\n', '0'],
    run: verifyHeaders,
  },
  'small texts': {
    share: 1,
    corpus: bytesOf(
      `token ${newToken('fedrot-enrol')}`,
      `fingerprint ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
      'proxy http://ada:secret@proxy.example.org:3128',
    ),
    words: [':', '@', '%', '%ff', '[::1]', 'http://', ' '],
    run: smallTexts,
  },
};

/** Whether an error is one of ours. */
export const isAnswer = (thrown) => thrown instanceof FedrotError && thrown.code !== 'internal';
