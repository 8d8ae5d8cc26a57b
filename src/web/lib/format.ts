/** Numbers, times and sizes as people read them. Pure: the time is a parameter. */

const NONE = '–';

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

export function formatCount(value: number): string {
  return value.toLocaleString('en-US');
}

export function formatPercent(ratio: number | null | undefined, digits = 1): string {
  return typeof ratio !== 'number' ? NONE : `${(ratio * 100).toFixed(digits)} %`;
}

/** Three or four digits that matter, whatever the size. */
export function formatNumber(value: number | null): string {
  if (value === null) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 100_000)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : size >= 1 ? 3 : 4);
}

/** Labels of an axis: as `format` says, without the zeros that end every one of them. */
export function tickLabels(ticks: readonly number[], format: (value: number) => string): string[] {
  const parts = ticks.map((tick) => /^(.*\d)\.(\d+)(\D*)$/.exec(format(tick)));
  const digits = Math.max(0, ...parts.map((part) => part?.[2]?.replace(/0+$/, '').length ?? 0));
  return parts.map((part, index) => {
    if (!part) return format(ticks[index] ?? 0);
    const [, whole = '', decimals = '', unit = ''] = part;
    return `${whole}${digits > 0 ? `.${decimals.slice(0, digits).padEnd(digits, '0')}` : ''}${unit}`;
  });
}

/** `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** One unit is enough for what is past: `just now`, `5 min ago`, `3 d ago`. */
export function formatAgo(atMs: number, nowMs: number): string {
  if (atMs <= 0) return NONE;
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1000));
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** Local date and time, by the reader's own clock. */
export function formatTime(ms: number): string {
  if (ms <= 0) return NONE;
  return new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** The end of a module's name tells more than its beginning: `layer.0.attention.self.query` of `bert.encoder.layer.0.…`. */
export function shortModule(name: string): string {
  const layer = /(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.(.+)$/.exec(name);
  if (!layer) return name.split('.').slice(-2).join('.');
  return `${layer[1] ?? ''} · ${(layer[2] ?? '').split('.').slice(-2).join('.')}`;
}
