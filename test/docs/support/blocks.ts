import { readdirSync, readFileSync } from 'node:fs';
import { repoPath } from '../../support/repo.js';

/** One command of a shell block, on one line, without comments. */
export interface DocCommand {
  readonly page: string;
  /** Heading that it stands under, e.g. `Operator`. */
  readonly section: string;
  readonly line: number;
  readonly text: string;
}

/** Every page for users; decisions are history. */
export function pages(): readonly string[] {
  const docs = readdirSync(repoPath('docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => `docs/${name}`)];
}

/** Commands of the ```sh blocks of a Markdown text: continued lines joined, comments cut. */
export function commandsOf(page: string, text: string): DocCommand[] {
  const found: DocCommand[] = [];
  let section = '';
  let inside = false;
  let open = '';
  for (const [index, raw] of text.split('\n').entries()) {
    const fence = /^\s*```(\w*)/.exec(raw);
    if (fence) {
      inside = !inside && ['sh', 'bash', 'shell', 'console'].includes(fence[1] ?? '');
      continue;
    }
    if (!inside) {
      section = /^#{1,4} (.*)$/.exec(raw)?.[1] ?? section;
      continue;
    }
    const line = (open + raw.trim()).replace(/(^|\s)#.*$/, '').trim();
    open = line.endsWith('\\') ? `${line.slice(0, -1).trim()} ` : '';
    if (line !== '' && open === '') found.push({ page, section, line: index + 1, text: line });
  }
  return found;
}

export const allCommands = (): DocCommand[] =>
  pages().flatMap((page) => commandsOf(page, readFileSync(repoPath(page), 'utf8')));
