/** The pages and their addresses. */
export type Route =
  | { readonly page: 'runs' }
  | { readonly page: 'new-run' }
  | { readonly page: 'run'; readonly run: string; readonly tab: RunTab }
  | { readonly page: 'silos' }
  | { readonly page: 'access' }
  | { readonly page: 'lost' };

export const RUN_TABS = ['overview', 'alignment', 'adapters', 'events', 'specification'] as const;
export type RunTab = (typeof RUN_TABS)[number];

export function parseRoute(path: string): Route {
  const [first = '', second = '', third = '', ...rest] = path.split('/').slice(1).map(decode);
  if (rest.length > 0) return { page: 'lost' };
  if (first === '' || (first === 'runs' && second === '')) return { page: 'runs' };
  if (first === 'start' && second === '') return { page: 'new-run' };
  if (first === 'runs') {
    const tab = third === '' ? 'overview' : RUN_TABS.find((known) => known === third);
    return tab === undefined ? { page: 'lost' } : { page: 'run', run: second, tab };
  }
  if ((first === 'silos' || first === 'access') && second === '') return { page: first };
  return { page: 'lost' };
}

export function runPath(run: string, tab: RunTab = 'overview'): string {
  return `/runs/${encodeURIComponent(run)}${tab === 'overview' ? '' : `/${tab}`}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
