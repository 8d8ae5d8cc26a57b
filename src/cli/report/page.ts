import type { LineChart } from './chart.js';
import { renderLineChart } from './line-chart.js';
import { element, escapeMarkup } from './markup.js';
import { THEME } from './theme.js';

export interface ReportTable {
  readonly title: string;
  readonly columns: readonly string[];
  /** As many cells as columns; the first column lies left, the others right. */
  readonly rows: readonly (readonly string[])[];
}

export interface Report {
  readonly title: string;
  /** One sentence under the title. */
  readonly summary: string;
  /** The few numbers that matter most. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  readonly charts: readonly LineChart[];
  readonly tables: readonly ReportTable[];
  readonly footer: string;
}

const cells = (tag: 'td' | 'th', texts: readonly string[]): string =>
  texts.map((text) => element(tag, tag === 'th' ? { scope: 'col' } : {}, escapeMarkup(text))).join('');

function renderTable({ title, columns, rows }: ReportTable): string {
  const table = element('table', {}, [
    element('thead', {}, element('tr', {}, cells('th', columns))),
    element(
      'tbody',
      {},
      rows.map((row) => element('tr', {}, cells('td', row))),
    ),
  ]);
  return element('section', {}, [
    element('h2', {}, escapeMarkup(title)),
    element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, table),
  ]);
}

/** A whole HTML page that needs nothing else: no script, no font, no request; light and dark; wide and narrow. */
export function renderReport(report: Report): string {
  const facts = report.facts.map(({ name, value }) =>
    element('div', {}, [element('dt', {}, escapeMarkup(name)), element('dd', {}, escapeMarkup(value))]),
  );
  const body = element('main', {}, [
    element('header', {}, [
      element('h1', {}, escapeMarkup(report.title)),
      element('p', {}, escapeMarkup(report.summary)),
    ]),
    element('dl', { class: 'facts' }, facts),
    element('div', { class: 'charts' }, report.charts.map(renderLineChart)),
    ...report.tables.map(renderTable),
    element('footer', {}, escapeMarkup(report.footer)),
  ]);
  const head = element('head', {}, [
    element('meta', { charset: 'utf-8' }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('meta', {
      'http-equiv': 'Content-Security-Policy',
      content: "default-src 'none'; style-src 'unsafe-inline'",
    }),
    element('title', {}, escapeMarkup(report.title)),
    element('style', {}, THEME),
  ]);
  return `<!doctype html>\n${element('html', { lang: 'en' }, [head, element('body', {}, body)])}\n`;
}
