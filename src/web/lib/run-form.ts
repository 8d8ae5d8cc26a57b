import { config } from 'zod';
import type { BundleView } from '../../api/types.js';
import { FIELD_NAMES, ruleOf, whyUnused, type RunForm } from './run-fields.js';

/** Modules that a fresh form adapts: those that LoRA began with, where the model has them. */
export function usualTargets(bundle: BundleView | undefined): readonly string[] {
  const names = bundle?.model?.targets.map(({ name }) => name) ?? [];
  const usual = names.filter((name) =>
    ['query', 'value', 'q_proj', 'v_proj', 'c_attn', 'q_lin', 'v_lin'].includes(name),
  );
  return usual.length > 0 ? usual : names;
}

/** The form as a specification, not yet checked. Throws SyntaxError where `more` is no JSON. */
export function specOfForm(form: RunForm, bundle: BundleView | undefined): Record<string, unknown> {
  const { model } = bundle ?? {};
  const labels = model && model.labels.length > 0 ? { labels: model.labels } : {};
  const fixed = {
    task: { kind: model?.task, ...labels, maxTokens: Math.min(model?.maxTokens ?? 128, 128) },
    lora: { modulesToSave: [...(model?.head ?? [])] },
    training: { optimizer: { kind: 'adamw' } },
  };
  const more: unknown = form.more.trim() === '' ? {} : JSON.parse(form.more);
  return [...entriesOf(form), more].reduce<unknown>(merge, fixed) as Record<string, unknown>;
}

/** Each field that counts, as the specification nests it. */
function entriesOf(form: RunForm): readonly unknown[] {
  return FIELD_NAMES.flatMap((name) => {
    const { path, optional, factor } = ruleOf(name);
    const value = form[name];
    if (whyUnused(form, name) !== undefined || (optional && Number.isNaN(value))) return [];
    const scaled = factor === undefined ? value : Math.round(Number(value) * factor);
    return [path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), scaled)];
  });
}

/** Objects key by key; anything else of the second replaces the first. */
function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over))
    merged[key] = key in merged ? merge(merged[key], value) : value;
  return merged;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Issue {
  readonly path: string;
  readonly message: string;
}

/** What the very schema that the coordinator goes by has against it. */
export async function issuesOf(spec: unknown): Promise<readonly Issue[]> {
  // Schemas that compile themselves need eval, which the page's security policy forbids.
  config({ jitless: true });
  const [{ runSpecSchema }, { issueText }] = await Promise.all([
    import('../../run-spec.js'),
    import('../../issue-text.js'),
  ]);
  const parsed = runSpecSchema.safeParse(spec);
  return parsed.success
    ? []
    : parsed.error.issues.map((issue) => ({
        path: issue.path.map(String).join('.'),
        message: issueText(issue),
      }));
}
