import type { EvaluationPoint, RoundPoint } from '../../api/rounds.js';
import type { BundleModel } from '../../api/types.js';
import type { RunSpec } from '../../run-spec.js';

/** Everything that a model card says of an adapter. */
export interface CardFacts {
  readonly runId: string;
  readonly spec: RunSpec;
  readonly version: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly createdMs: number;
  readonly model: BundleModel | null;
  /** Published rounds up to this version. */
  readonly rounds: readonly RoundPoint[];
  readonly evaluations: readonly EvaluationPoint[];
  /** Examples that each silo said it trained on, in the last round it took part in. */
  readonly silos: readonly { readonly silo: string; readonly examples: number; readonly rounds: number }[];
  readonly software: string;
  readonly coordinator: string;
  /** Of the authority that signs the manifests of rounds. */
  readonly fingerprint: string;
}

/** A model card in Markdown, with the front matter that model hubs read (Mitchell et al. 2019, arXiv 1810.03993). */
export function modelCard(facts: CardFacts): string {
  return [
    frontMatter(facts),
    title(facts),
    dataSection(facts),
    methodSection(facts),
    metricsSection(facts),
    provenanceSection(facts),
    useSection(facts),
  ]
    .join('\n\n')
    .concat('\n');
}

const iso = (ms: number): string => new Date(ms).toISOString();
const count = (value: number): string => value.toLocaleString('en-US');
const fixed = (value: number | null, digits = 4): string => (value === null ? '–' : value.toFixed(digits));
/** Names of models and labels may hold anything; in a table and in YAML they must stay one value. */
const cell = (text: string): string => text.replace(/[|\r\n]+/g, ' ');

function frontMatter({ model, spec }: CardFacts): string {
  const name = model?.name ?? null;
  return [
    '---',
    'library_name: peft',
    ...(name === null ? [] : [`base_model: ${JSON.stringify(name)}`]),
    'tags:',
    '  - lora',
    '  - federated-learning',
    `  - ${spec.task.kind}`,
    '---',
  ].join('\n');
}

function title({ runId, version, spec, model }: CardFacts): string {
  const base = model === null ? 'its base model' : (model.name ?? `a ${model.architecture} model`);
  return `# ${cell(spec.name)}, version ${version}\n\nA LoRA adapter for ${cell(base)} (${spec.task.kind}), fine-tuned across data silos by fedrot in the run \`${runId}\`. No silo's data left the silo: only updates of the adapter did.`;
}

function dataSection({ silos, spec }: CardFacts): string {
  const total = silos.reduce((sum, { examples }) => sum + examples, 0);
  const labels = 'labels' in spec.task ? ` Labels: ${spec.task.labels.map(cell).join(', ')}.` : '';
  if (silos.length === 0) return `## Data\n\nNo silo has contributed to this version yet.${labels}`;
  return [
    '## Data',
    `${count(total)} examples in ${silos.length} silo${silos.length === 1 ? '' : 's'}.${labels}`,
    [
      '| silo | examples | rounds |',
      '| --- | ---: | ---: |',
      ...silos.map(({ silo, examples, rounds }) => `| ${silo} | ${count(examples)} | ${rounds} |`),
    ].join('\n'),
  ].join('\n\n');
}

function methodSection({ spec, rounds }: CardFacts): string {
  const { lora, training, aggregation } = spec;
  const ran = rounds.filter(({ rollbackOf }) => rollbackOf === null);
  const rows: readonly (readonly [string, string])[] = [
    ['aggregation', `${aggregation.method}, weighted by ${aggregation.weighting}`],
    ['rounds', `${ran.length} of ${spec.rounds.count}`],
    ['rank, alpha', `${lora.rank}, ${lora.alpha}${lora.rsLora ? ' (rank-stabilized)' : ''}`],
    ['adapted modules', lora.targetModules.map(cell).join(', ')],
    ['trained in full', lora.modulesToSave.map(cell).join(', ') || 'none'],
    ['optimizer', `${training.optimizer.kind}, learning rate ${training.optimizer.learningRate}`],
    ['batch size, local steps', `${training.batchSize}, ${training.localSteps}`],
    ['seed', String(spec.seed)],
  ];
  return `## Method\n\n| | |\n| --- | --- |\n${rows.map(([key, value]) => `| ${key} | ${value} |`).join('\n')}`;
}

function metricsSection({ evaluations, rounds, version }: CardFacts): string {
  const last = rounds.at(-1);
  const scored = evaluations.filter((entry) => entry.version <= version);
  const newest = scored.reduce((most, entry) => Math.max(most, entry.version), -1);
  const lines = scored
    .filter((entry) => entry.version === newest)
    .map(
      ({ silo, examples, accuracy, loss }) =>
        `| ${silo} | ${count(examples)} | ${fixed(accuracy)} | ${fixed(loss)} |`,
    );
  const table =
    lines.length === 0
      ? 'No evaluator has scored this run.'
      : `Scores of version ${newest}${newest === version ? '' : ', the last one that was scored'}:\n\n| evaluator | examples | accuracy | loss |\n| --- | ---: | ---: | ---: |\n${lines.join('\n')}`;
  const error =
    last === undefined
      ? ''
      : last.diagnosis === 'pending'
        ? `\n\nThe aggregation error of the last round is being computed; the mean training loss was ${fixed(last.trainLoss)}.`
        : `\n\nIn the last round the aggregation error was ${fixed(last.aggregationError)} of the mean update (plain averaging of the same updates: ${fixed(last.aggregationErrorFedit)}; the best possible at this rank: ${fixed(last.aggregationErrorBound)}), and the mean training loss ${fixed(last.trainLoss)}.`;
  return `## Metrics\n\n${table}${error}`;
}

function provenanceSection(facts: CardFacts): string {
  const rows: readonly (readonly [string, string])[] = [
    ['run, version', `\`${facts.runId}\`, ${facts.version}`],
    ['SHA-256 of adapter_model.safetensors', `\`${facts.sha256}\``],
    ['size', `${count(facts.bytes)} bytes`],
    ['published', iso(facts.createdMs)],
    ['bundle of the base model', `\`${facts.spec.bundle}\``],
    ['coordinator', facts.coordinator],
    ['authority that signs the rounds', `\`${facts.fingerprint}\``],
    ['software', `fedrot ${facts.software}`],
  ];
  const how = `Every round's signed manifest names its updates, this file and the evidence before it: \`fedrot audit verify ${facts.runId}\` checks the chain.`;
  return `## Provenance\n\n| | |\n| --- | --- |\n${rows.map(([key, value]) => `| ${key} | ${value} |`).join('\n')}\n\n${how}`;
}

function useSection({ model }: CardFacts): string {
  return [
    '## Use',
    'Python: `PeftModel.from_pretrained(base, folder)`. Without Python: `fedrot evaluate` and `fedrot adapter merge` (docs of fedrot).',
    ...(model?.pooling === 'mean'
      ? [
          "The head reads the mean of all tokens' vectors (by the attention mask). The classifiers of transformers read the first token: there, take the encoder's last hidden states and apply the head to their mean.",
        ]
      : []),
    'An adapter can tell of the data that it was trained on: pass it on only to those who may know.',
  ].join('\n\n');
}
