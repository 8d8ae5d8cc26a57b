const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** 1,234,567 → `1.2 MB` (powers of 1,000). */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** 0 to 1 → `93.4 %`. */
export function formatPercent(ratio: number | null | undefined): string {
  return ratio === null || ratio === undefined || Number.isNaN(ratio) ? '–' : `${(100 * ratio).toFixed(1)} %`;
}

/** 1 to 4 significant places, without the noise of floating point. */
export function formatNumber(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5))
    return value.toExponential(digits - 1);
  return value.toPrecision(digits);
}

/** 83,000 → `1 min 23 s`. */
export function formatDuration(ms: number): string {
  if (ms < 950) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** Unix milliseconds as ISO 8601 in UTC, to the second; 0 is never. */
export function formatTime(ms: number): string {
  return ms === 0 ? '–' : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
