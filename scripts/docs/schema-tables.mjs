// A JSON Schema (as zod writes it) as Markdown tables: one for every object, one for every alternative.

const code = (text) => `\`${text}\``;
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function bounds(schema) {
  const parts = [];
  const say = (key, sign) => {
    // zod adds the limits of safe integers, which say nothing.
    if (schema[key] !== undefined && Math.abs(schema[key]) !== Number.MAX_SAFE_INTEGER)
      parts.push(`${sign} ${schema[key]}`);
  };
  say('minimum', '≥');
  say('exclusiveMinimum', '>');
  say('maximum', '≤');
  say('exclusiveMaximum', '<');
  return parts.length > 0 ? `, ${parts.join(' and ')}` : '';
}

function typeOf(schema) {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum) return schema.enum.map((value) => code(value)).join(', ');
  if (schema.type === 'array')
    return `list of ${typeOf(schema.items)}${schema.minItems ? `, at least ${schema.minItems}` : ''}`;
  if (schema.pattern) return `${schema.type} ${code(schema.pattern)}`;
  if (schema.type === 'object') return 'map';
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return alternatives.map(typeOf).join(' or ');
  return `${schema.type ?? 'any'}${bounds(schema)}`;
}

const alternativesOf = (schema) =>
  schema.oneOf ?? (schema.anyOf?.every((each) => each.properties) ? schema.anyOf : undefined);
const isGroup = (schema) => schema.properties !== undefined || alternativesOf(schema) !== undefined;

function row(key, schema, required) {
  const preset =
    schema.default === undefined
      ? required
        ? '_required_'
        : '_none_'
      : code(JSON.stringify(schema.default));
  return `| ${code(key)} | ${cell(typeOf(schema))} | ${cell(preset)} | ${cell(schema.description ?? '')} |`;
}

function table(path, schema) {
  const prefix = path ? `${path}.` : '';
  const required = schema.required ?? [];
  const entries = Object.entries(schema.properties);
  const undescribed = entries
    .filter(([, child]) => !isGroup(child) && !child.description)
    .map(([key]) => prefix + key);
  if (undescribed.length > 0) throw new Error(`no description in the schema: ${undescribed.join(', ')}`);
  const rows = entries
    .filter(([, child]) => !isGroup(child))
    .map(([key, child]) => row(prefix + key, child, required.includes(key)));
  const own =
    rows.length > 0
      ? ['| key | value | default | what |\n| --- | --- | --- | --- |\n' + rows.join('\n')]
      : [];
  return [
    ...own,
    ...entries.filter(([, child]) => isGroup(child)).flatMap(([key, child]) => group(prefix + key, child)),
  ];
}

function group(path, schema) {
  const heading = `### ${code(path)}`;
  const intro = schema.description
    ? [`${schema.description[0].toUpperCase()}${schema.description.slice(1)}.`]
    : [];
  const alternatives = alternativesOf(schema);
  if (!alternatives) return [heading, ...intro, ...table(path, schema)];
  const kinds = alternatives.flatMap((each) => [
    `#### ${code(path)} of kind ${code(each.properties.kind.const)}`,
    ...table(path, each),
  ]);
  return [heading, ...intro, ...kinds];
}

/** Throws where a key has no description: every key is documented or the check fails. */
export function schemaTables(schema) {
  return table('', schema).join('\n\n');
}
