/**
 * JSON with keys in order (UTF-16 code units), two spaces of indentation and a newline at the end: equal
 * values, equal bytes.
 */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, inner: unknown) => sorted(inner), 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
