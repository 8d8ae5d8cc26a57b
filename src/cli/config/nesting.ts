import { FedrotError } from '../../errors.js';

/** Deeper than any configuration. */
const MAX_DEPTH = 200;

/** Brackets, indentation and indicators on one line (`- - -`) by which YAML nests. */
const INDENTED = new RegExp(`^ {${MAX_DEPTH}}`, 'm');
const COMPACT = new RegExp(`(?:[-?:][ \\t]+){${MAX_DEPTH}}`);

/**
 * The YAML parser recurses: at the end of the stack V8 may end the whole process (a regular expression that is compiled there
 * cannot get memory), which nobody can catch. So what is nested too deeply is refused before. Throws config_invalid.
 */
export function requireShallow(text: string, where: string): void {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
  }
  if (deepest > MAX_DEPTH || INDENTED.test(text) || COMPACT.test(text))
    throw new FedrotError('config_invalid', `${where}: is nested more than ${MAX_DEPTH} deep`);
}
