import { signal } from '@preact/signals';

/** `auto` goes by the system. Remembered in this browser. */
export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'fedrot-theme';

export const theme = signal<Theme>('auto');

export function startTheme(): void {
  const kept = read();
  setTheme(THEMES.find((known) => known === kept) ?? 'auto');
}

export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // A browser that keeps nothing forgets the theme too.
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
