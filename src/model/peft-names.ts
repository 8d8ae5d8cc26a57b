/** What PEFT puts before the names of the wrapped model's parameters. */
export const PEFT_PREFIX = 'base_model.model.';

/**
 * `base_model.model.<module>.<parameter>`, e.g. parameter `lora_A.weight`, or `bias` of a module trained in
 * full.
 */
export function parameterName(module: string, parameter: string): string {
  return `${PEFT_PREFIX}${module}.${parameter}`;
}
