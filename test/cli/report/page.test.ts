import { describe, expect, it } from 'vitest';
import { renderReport, type Report } from '../../../src/cli/report/page.js';

const report: Report = {
  title: 'A run & its rounds',
  summary: 'It went well.',
  facts: [{ name: 'accuracy', value: '95.1 %' }],
  charts: [
    {
      title: 'Loss',
      note: 'Falls.',
      x: { label: 'round', format: String },
      y: { label: 'loss', format: String },
      series: [{ name: 'loss', points: [{ x: 1, y: 2 }] }],
    },
  ],
  tables: [{ title: 'Rounds', columns: ['round', 'loss'], rows: [['1', '<2>']] }],
  footer: 'made by fedrot',
};

describe('renderReport', () => {
  const html = renderReport(report);

  it('needs nothing but itself', () => {
    expect(html).not.toMatch(/(?:src|href)=|@import|url\(|<script|https?:\/\//);
    expect(html).toContain("default-src 'none'");
  });

  it('escapes what it is given', () => {
    expect(html).toContain('A run &amp; its rounds');
    expect(html).toContain('<td>&lt;2&gt;</td>');
  });

  it('closes every element that it opens', () => {
    const open: string[] = [];
    for (const [, slash, name, selfClosed] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
      if (selfClosed === '/' || name === 'meta') continue;
      if (slash === '/') expect(open.pop()).toBe(name);
      else open.push(name ?? '');
    }
    expect(open).toEqual([]);
  });

  it('follows light and dark, and the width of the screen', () => {
    expect(html).toContain('prefers-color-scheme:dark');
    expect(html).toContain('width=device-width');
  });
});
