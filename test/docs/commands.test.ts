import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { repoPath } from '../support/repo.js';
import { allCommands, commandsOf } from './support/blocks.js';
import { RUN_PAGES, TIES } from './support/tied.js';

const commands = allCommands();
const tied = (text: string) => TIES.find(({ command }) => command.test(text));

describe('every command of the documents', () => {
  test('is run by a test, or tied to one with a reason', () => {
    expect(commands.length).toBeGreaterThan(20);
    const loose = commands.filter(
      ({ page, text }) => RUN_PAGES[page] === undefined && tied(text) === undefined,
    );
    expect(loose.map(({ page, line, text }) => `${page}:${line} ${text}`)).toEqual([]);
  });
  test('the tests that are named exist, and no tie is left over', () => {
    for (const file of Object.values(RUN_PAGES)) expect(existsSync(repoPath(file)), file).toBe(true);
    for (const { command, test: file, title } of TIES) {
      expect(existsSync(repoPath(file)), file).toBe(true);
      expect(readFileSync(repoPath(file), 'utf8'), `${file} holds ${title}`).toContain(title);
      expect(
        commands.some(({ text }) => command.test(text)),
        `something matches ${String(command)}`,
      ).toBe(true);
    }
  });
});

test('commands are found in shell blocks only, joined and without comments', () => {
  const text =
    '# A\n```sh\none \\\n  --two # three\n\n# four\nfive\n```\n## B\n```yaml\nsix: 1\n```\n```bash\nseven\n```\n';
  expect(commandsOf('x.md', text).map(({ section, line, text: found }) => [section, line, found])).toEqual([
    ['A', 4, 'one --two'],
    ['A', 7, 'five'],
    ['B', 14, 'seven'],
  ]);
});
