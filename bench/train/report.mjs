// The table of docs/performance-train.md.

const REGION = /(<!-- bench:train -->)[^]*?(<!-- end bench:train -->)/;

const number = (value, digits = 0) => (value === undefined ? '–' : value.toFixed(digits));
const ratio = (value) => (value === undefined ? '–' : `${value.toFixed(2)} ×`);
const percent = (value) => (value === undefined ? '–' : `${(100 * value).toFixed(0)} %`);

/** What the numbers must reach; `false` where one is missed. */
export const TARGETS = {
  'bert-base': { speed: 2.5, memory: 0.6, trainForward: 2.2, peak: 0.85 },
  minilm: { speed: 2, memory: 0.6 },
  stories15m: { speed: 2, memory: 0.6 },
  'minilm-top2': { prefix: 2 },
};

export function missed(row) {
  const target = TARGETS[row.model] ?? {};
  const notes = [];
  const least = (name, value, bound) => {
    if (bound !== undefined && value !== undefined && value < bound)
      notes.push(`${name} ${value.toFixed(2)} < ${bound}`);
  };
  const most = (name, value, bound) => {
    if (bound !== undefined && value !== undefined && value > bound)
      notes.push(`${name} ${value.toFixed(2)} > ${bound}`);
  };
  least('speed', row.speedup, target.speed);
  most('memory', row.memoryRatio, target.memory);
  most('train/forward', row.trainForward, target.trainForward);
  least('share of peak', row.peakShare, target.peak);
  least('prefix caching', row.prefixSpeedup, target.prefix);
  return notes;
}

export function table(rows) {
  const head =
    '| model | batch | tokens/s | PyTorch + PEFT | ratio | at most | peak memory | PyTorch | ratio | first step | PyTorch | train/forward | of MatMul peak | prefix caching | missed |';
  const line = head.replace(/[^|]+/g, ' --- ');
  const body = rows.map((row) =>
    [
      row.model,
      `${row.batch} × ${row.sequence}`,
      number(row.tokensPerSecond),
      number(row.torchTokensPerSecond),
      ratio(row.speedup),
      ratio(row.bound),
      `${number(row.memoryMB)} MB`,
      `${number(row.torchMemoryMB)} MB`,
      ratio(row.memoryRatio),
      `${number(row.firstStepMs / 1000, 1)} s`,
      row.torchFirstStepMs === undefined ? '–' : `${number(row.torchFirstStepMs / 1000, 1)} s`,
      number(row.trainForward, 2),
      percent(row.peakShare),
      ratio(row.prefixSpeedup),
      row.missed.join('; ') || 'none',
    ].join(' | '),
  );
  return `${head}\n${line}\n${body.map((each) => `| ${each} |`).join('\n')}`;
}

/** What stands behind the figures of one model, and why what is missed is missed. */
export function note(row) {
  const { machine: m } = row;
  const products = `bare products ${number(row.peakGflops)} (PyTorch's ${number(row.torchPeakGflops)}) GFLOP/s`;
  const when = `${m.cpu}, ${m.threads} threads, Node ${m.node}, ${m.date}, median of ${m.steps}; step ${number(row.stepMs)} ms (PyTorch ${number(row.torchStepMs)}), forward ${number(row.forwardMs)} ms (${number(row.torchForwardMs)}), ${products}; matrices ${row.prepacked ? 'repacked' : 'mapped as they lie'}.`;
  return `- **${row.model}**: ${when}${row.missed.map((miss) => ` Missed: ${miss}${why(miss, row)}.`).join('')}`;
}

function why(miss, row) {
  const target = TARGETS[row.model] ?? {};
  if (miss.startsWith('speed') && row.bound < target.speed)
    return `: out of reach on this CPU, since a step of nothing but its necessary products, at the faster of both bare speeds, would be ${ratio(row.bound)}`;
  if (miss.startsWith('speed'))
    return `: products run at ${percent(row.peakGflops / row.torchPeakGflops)} of the speed of PyTorch's library here, and ${percent(1 - row.peakShare)} of a step is not products`;
  if (miss.startsWith('train/forward') || miss.startsWith('share'))
    return ': passes over memory between the products (slopes of activations, normalisations, sums of gradients), one ONNX operator each';
  return '';
}

/** The page with its table replaced. */
export function fill(text, rows) {
  return text.replace(
    REGION,
    (_, open, close) => `${open}\n\n${table(rows)}\n\n${rows.map(note).join('\n')}\n\n${close}`,
  );
}
