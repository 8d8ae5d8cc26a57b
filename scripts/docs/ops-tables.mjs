// Tables of operators for docs/ops.md, from the tables that training itself uses.

const code = (text) => `\`${text}\``;
const domainOf = (name) => (name === '' || name === undefined ? 'ai.onnx' : name);

/** One row an operator: several lines of the table that cover it are put together. */
function merged(rules) {
  const rows = new Map();
  for (const { op, domain, versions, refuses = [] } of rules) {
    const key = `${domainOf(domain)}::${op}`;
    const row = rows.get(key) ?? { op, domain: domainOf(domain), versions: new Set(), refuses: new Set() };
    versions.forEach((version) => row.versions.add(version));
    refuses.forEach((form) => row.refuses.add(form));
    rows.set(key, row);
  }
  return [...rows.values()].sort((a, b) => a.domain.localeCompare(b.domain) || a.op.localeCompare(b.op));
}

function table(rules) {
  const rows = merged(rules).map(
    ({ op, domain, versions, refuses }) =>
      `| ${code(op)} | ${domain} | ${[...versions].sort((a, b) => a - b).join(', ')} | ${[...refuses].join('; ')} |`,
  );
  return `| operator | domain | versions | refused |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

/** Generators by the name of their region. */
export function opsGenerators({ RULES, NO_GRADIENT, REFUSED, REWRITES, NEWEST_OPSET }) {
  return {
    'differentiable operators': () => table(RULES),
    'rewritten operators': () => table(REWRITES),
    'operators that end a gradient': () => [...NO_GRADIENT].sort().map(code).join(', '),
    'refused operators': () => {
      const rows = [...REFUSED].map(([key, why]) => {
        const [domain, op] = key.split('::');
        return `| ${code(op)} | ${domainOf(domain)} | ${why} |`;
      });
      return `| operator | domain | why |\n| --- | --- | --- |\n${rows.join('\n')}`;
    },
    'newest opset': () => `The newest opset of ai.onnx whose operators are known is **${NEWEST_OPSET}**.`,
  };
}
