/**
 * Whether a text fits one of the patterns, in which `*` stands for any characters. Takes time in proportion to the text and never
 * goes back: patterns come from other parties.
 */
export function fits(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => fitsOne(pattern, text));
}

function fitsOne(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  if (parts.length === 1) return text === pattern;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
