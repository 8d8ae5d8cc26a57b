import { computed, signal } from '@preact/signals';
import { parseRoute } from '../lib/route.js';

const path = signal(location.pathname);

export const route = computed(() => parseRoute(path.value));

export function go(to: string): void {
  if (to === location.pathname) return;
  history.pushState(null, '', to);
  path.value = to;
  scrollTo(0, 0);
  // Who listens to the page hears the new one's heading.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('h1')?.focus());
}

addEventListener('popstate', () => {
  path.value = location.pathname;
});

/** Links within the dashboard change the page without loading it anew; everything else is the browser's. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest('a');
  if (link?.origin !== location.origin || link.hasAttribute('download') || link.target !== '') return;
  if (link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  go(link.pathname);
}
