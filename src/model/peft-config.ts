import { z } from 'zod';
import type { LoraSpec } from '../run-spec.js';
import { PEFT_PREFIX } from './peft-names.js';
import type { TaskKind } from './tasks.js';

/**
 * What is read of adapter_config.json (PEFT 0.21, LoraConfig); features that change the mathematics must be
 * off.
 */
export const peftConfigSchema = z.looseObject({
  peft_type: z.literal('LORA', { error: 'only LORA adapters are supported' }),
  task_type: z.string().nullish(),
  base_model_name_or_path: z.string().nullish(),
  r: z.int().min(1),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  /** Names or their ends; one string is a regular expression or `all-linear`. */
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  modules_to_save: z.array(z.string()).nullish(),
  bias: z.literal('none', { error: 'trained biases are not supported' }).default('none'),
  use_dora: z.literal(false, { error: 'DoRA is not supported' }).nullish(),
  lora_bias: z.literal(false, { error: 'biases of the factors are not supported' }).nullish(),
  rank_pattern: z.record(z.string(), z.never('ranks that differ by module are not supported')).nullish(),
  alpha_pattern: z.record(z.string(), z.never('alphas that differ by module are not supported')).nullish(),
});

export type PeftConfig = z.output<typeof peftConfigSchema>;

export type AdapterSettings = Pick<
  LoraSpec,
  'rank' | 'alpha' | 'rsLora' | 'dropout' | 'targetModules' | 'modulesToSave'
>;

/** What PEFT adds to modules_to_save of a classifier, of texts or of tokens, by itself. */
const CLASSIFIER_HEADS = ['classifier', 'score'];

/** PEFT's task types (peft.TaskType); it has none for regression, which is a classifier with one output. */
const TASK_TYPES: Readonly<Record<TaskKind, string>> = {
  'text-classification': 'SEQ_CLS',
  'text-regression': 'SEQ_CLS',
  'token-classification': 'TOKEN_CLS',
  'causal-lm': 'CAUSAL_LM',
};

const FACTOR = /\.lora_[AB]\.weight$/;

/**
 * Names of the modules that tensors of an adapter belong to: those with factors, and those trained in full.
 */
export function modulesOf(tensorNames: readonly string[]): { adapted: string[]; full: string[] } {
  const bare = tensorNames.map((name) =>
    name.startsWith(PEFT_PREFIX) ? name.slice(PEFT_PREFIX.length) : name,
  );
  const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();
  return {
    adapted: unique(bare.filter((name) => FACTOR.test(name)).map((name) => name.replace(FACTOR, ''))),
    full: unique(bare.filter((name) => !FACTOR.test(name)).map((name) => name.replace(/\.[^.]+$/, ''))),
  };
}

/**
 * adapter_config.json of an adapter with these tensors, as PEFT's LoraConfig.save_pretrained writes what
 * matters of it. The task type is CAUSAL_LM for a language model; SEQ_CLS or TOKEN_CLS for a classifier whose head was trained, and null
 * where it was not: with one of these two, PEFT would train a head of its own.
 */
export function peftConfig(
  settings: AdapterSettings,
  tensorNames: readonly string[],
  baseModel: string | null,
  task: TaskKind,
): Record<string, unknown> {
  const { adapted, full } = modulesOf(tensorNames);
  const heads = task === 'causal-lm' ? [] : CLASSIFIER_HEADS;
  const saved = full.length === 0 ? null : [...new Set([...settings.modulesToSave, ...heads])].sort();
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: settings.alpha,
    lora_bias: false,
    lora_dropout: settings.dropout,
    modules_to_save: saved,
    peft_type: 'LORA',
    r: settings.rank,
    rank_pattern: {},
    revision: null,
    target_modules: targetModules(settings.targetModules, adapted, full),
    task_type: task === 'causal-lm' || saved !== null ? TASK_TYPES[task] : null,
    use_dora: false,
    use_rslora: settings.rsLora,
  };
}

/**
 * The run's own short names, unless PEFT would take them to mean more or fewer modules than the adapter has:
 * then whole names.
 */
function targetModules(
  targets: readonly string[],
  adapted: readonly string[],
  full: readonly string[],
): readonly string[] {
  const means = (target: string, name: string): boolean => name === target || name.endsWith(`.${target}`);
  const clear =
    targets.every((target) => !full.some((name) => means(target, name))) &&
    adapted.every((name) => targets.some((target) => means(target, name)));
  return clear ? [...targets].sort() : adapted;
}
