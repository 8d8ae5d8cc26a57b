import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatNumber,
  formatPercent,
  formatTime,
} from '../../src/cli/format.js';
import { failureText } from '../../src/cli/failure.js';
import { formatTable } from '../../src/cli/table.js';
import { FedrotError } from '../../src/errors.js';

describe('numbers for people', () => {
  it.each<[string, string]>([
    [formatBytes(0), '0 B'],
    [formatBytes(999), '999 B'],
    [formatBytes(1000), '1.0 kB'],
    [formatBytes(301_072), '301 kB'],
    [formatBytes(999_600), '1.0 MB'],
    [formatBytes(91_516_278), '91.5 MB'],
    [formatBytes(3e12), '3.0 TB'],
    [formatPercent(0.9337), '93.4 %'],
    [formatPercent(null), '–'],
    [formatPercent(Number.NaN), '–'],
    [formatNumber(0.24567), '0.246'],
    [formatNumber(0), '0.00'],
    [formatNumber(0.000012), '1.20e-5'],
    [formatNumber(1234567), '1.23e+6'],
    [formatNumber(undefined), '–'],
    [formatDuration(12), '12 ms'],
    [formatDuration(8230), '8.2 s'],
    [formatDuration(83_000), '1 min 23 s'],
    [formatDuration(3_700_000), '1 h 1 min'],
    [formatTime(0), '–'],
    [formatTime(Date.UTC(2026, 0, 2, 3, 4, 5)), '2026-01-02T03:04:05Z'],
  ])('%s', (got, expected) => {
    expect(got).toBe(expected);
  });
});

describe('formatTable', () => {
  it('lays texts left, numbers right, and what is not known as a dash', () => {
    const table = formatTable(
      [
        { name: 'a', count: 5 },
        { name: 'longer', count: 1234 },
        { name: 'none', count: null },
      ],
      [
        { title: 'NAME', value: (row) => row.name },
        { title: 'COUNT', value: (row) => row.count },
      ],
      'none',
    );
    expect(table).toBe('NAME    COUNT\na           5\nlonger   1234\nnone        –\n');
  });

  it('says so where there are no rows', () => {
    expect(formatTable([], [], 'no runs yet')).toBe('no runs yet\n');
  });
});

describe('failureText', () => {
  it('is one line, and with verbose the stack and its causes', () => {
    const cause = new FedrotError('storage_full', 'disk full');
    const error = new FedrotError('internal', 'it\n  broke', { cause });
    expect(failureText(error, false)).toBe('fedrot: it broke\n');
    const verbose = failureText(error, true);
    expect(verbose).toContain('fedrot: it broke [internal]');
    expect(verbose).toMatch(/caused by .*disk full/);
  });
});
