/** Colours of the series, told apart by eyes that see fewer colours, at 3 : 1 or better on their background. */
const LIGHT = ['#1f6fd0', '#d1521a', '#1a7f4b', '#9a3bb5', '#8a6a00', '#b8325f', '#1b7f8c', '#5b6470'];
const DARK = ['#6cb0ff', '#ff9a66', '#5fd091', '#d690ee', '#e0bd4a', '#ff8fb1', '#63d0de', '#aab4c0'];

const variables = (colours: readonly string[]): string =>
  colours.map((colour, index) => `--series-${index}:${colour};`).join('');

const series = LIGHT.map((_, index) => `.series-${index}{--colour:var(--series-${index})}`).join('');

/** The report's style: light and dark by the reader's system, one column on a phone. */
export const THEME = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2028;--quiet:#586171;--line:#dfe3e9;--strong:#9aa3b0;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b2028;--ink:#e9edf3;--quiet:#a3adbb;--line:#303845;--strong:#667181;${variables(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px}
h2{font-size:1.05rem;margin:0}
header p,figcaption p,footer{color:var(--quiet);margin:0}
figcaption p{font-size:.875rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:20px 0;padding:0}
.facts div,figure,section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.facts dt{color:var(--quiet);font-size:.8125rem}
.facts dd{margin:2px 0 0;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:16px}
figure{margin:0}
figure svg{display:block;width:100%;height:auto;margin-top:8px}
.tick,.label{font-size:12px;fill:var(--quiet)}
.grid{stroke:var(--line)}.axis{stroke:var(--strong)}
${series}
.series path{fill:none;stroke:var(--colour);stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.series .band{fill:var(--colour);stroke:none;opacity:.15}
.series circle{fill:var(--card);stroke:var(--colour);stroke-width:2}
.reference path{stroke-dasharray:5 5;stroke-width:1.75}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:8px 0 0;padding:0;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:6px}
figure .legend svg{width:24px;margin:0;flex:none}
section{margin-top:16px}
.scroll{overflow-x:auto;margin-top:8px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9375rem}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--quiet);font-weight:600;font-size:.8125rem}
th:first-child,td:first-child{text-align:left;padding-left:0}
tr:last-child td{border-bottom:0}
code{font-size:.875em;overflow-wrap:anywhere}
footer{margin-top:24px;font-size:.875rem}
@media print{body{background:#fff}}
`;
