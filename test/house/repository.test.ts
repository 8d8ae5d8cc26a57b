import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRepoFile, readRepoJson, repoPath, repoRoot } from '../support/repo.js';

/** Every file that git knows or would add; none outside a checkout (an unpacked archive). */
function committedFiles(): string[] {
  if (!existsSync(repoPath('.git'))) return [];
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  return execFileSync('git', list, { cwd: repoRoot, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 })
    .split('\0')
    .filter((path) => path !== '' && existsSync(repoPath(path)) && statSync(repoPath(path)).isFile());
}

const files = committedFiles();
const TEXT = /\.(ts|tsx|js|mjs|json|md|ya?ml|proto|py|txt|html|css|sh)$|^(Dockerfile|\.ci\/run|\.npmrc)$/;
const THIS = 'test/house/repository.test.ts';

/** What must not be in the repository. The patterns are split so that this file does not match itself by accident. */
const FORBIDDEN: readonly { readonly what: string; readonly pattern: RegExp; readonly in?: RegExp }[] = [
  {
    what: "a path of somebody's machine",
    pattern: /(?<![\w.])\/(work|root|home\/(?!node\b)\w+|Users\/\w+)\//,
  },
  { what: 'the host of a registry', pattern: /registry\.(npmjs|yarnpkg)|pypi\.org|files\.pythonhosted/ },
  { what: 'a private key', pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]/ },
  { what: 'a note to do something later', pattern: /\b(TODO|FIXME|XXX|HACK)\b/ },
  {
    what: 'a suppressed check',
    pattern: /eslint-disable|@ts-(ignore|expect-error|nocheck)/,
    in: /^(src|test|bench|scripts)\//,
  },
  {
    what: 'a test that runs alone or never',
    pattern: /\b(test|it|describe|e2e)\.(only|todo|skip)\(/,
    in: /^test\//,
  },
];

function findForbidden(path: string, text: string): string[] {
  return FORBIDDEN.filter((rule) => rule.in?.test(path) ?? true).flatMap(({ what, pattern }) => {
    const at = text.search(pattern);
    return at < 0 ? [] : [`${path}:${text.slice(0, at).split('\n').length} holds ${what}`];
  });
}

describe.skipIf(files.length === 0)('the repository', () => {
  test('holds no machine paths, registry hosts, keys, notes or suppressed checks', () => {
    const texts = files.filter((path) => TEXT.test(path) && path !== THIS && path !== 'package-lock.json');
    expect(texts.length).toBeGreaterThan(50);
    expect(texts.flatMap((path) => findForbidden(path, readFileSync(repoPath(path), 'utf8')))).toEqual([]);
  });

  test('holds no file over 1 MiB', () => {
    expect(files.filter((path) => statSync(repoPath(path)).size > 2 ** 20)).toEqual([]);
  });

  test('the search finds each of them', () => {
    const samples = [
      ['docs/a.md', 'see /root/x'],
      ['docs/a.md', 'from https://registry.npmjs.org'],
      ['certs/a.json', '-----BEGIN RSA PRIVATE KEY-----\nMIIE'],
      ['src/a.ts', '// TODO'],
      ['src/a.ts', '// eslint-disable-next-line'],
      ['test/a.test.ts', 'test.only('],
    ] as const;
    expect(samples.map(([path, text]) => findForbidden(path, text).length)).toEqual(samples.map(() => 1));
    expect(findForbidden('docs/a.md', 'user /home/node/app, test.only(x), network/ /workspace/')).toEqual([]);
  });
});

describe('the documents', () => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    ...files.filter((path) => path.startsWith('docs/') && path.endsWith('.md')),
  ];

  /** GitHub's anchors of the headings. */
  const anchors = (text: string): Set<string> =>
    new Set(
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    );

  function brokenLinks(document: string, text: string): string[] {
    const withoutCode = text.replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
    return [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
      if (/^[a-z]+:/.test(link!)) return [];
      const [path, anchor] = link!.split('#');
      const target = path === '' ? document : join(dirname(document), path!);
      if (!existsSync(repoPath(target))) return [`${document}: ${link} leads nowhere`];
      if (anchor && !anchors(path === '' ? text : readRepoFile(target)).has(anchor))
        return [`${document}: ${link} has no such heading`];
      return [];
    });
  }

  test('every link inside the repository leads somewhere', () => {
    expect(documents.flatMap((document) => brokenLinks(document, readRepoFile(document)))).toEqual([]);
  });

  test('the search for links finds broken ones', () => {
    const text = '# A b\n[x](#a-b) [y](#c) [z](gone.md) [w](https://example.org) `[v](gone.md)`';
    expect(brokenLinks('README.md', text)).toEqual([
      'README.md: #c has no such heading',
      'README.md: gone.md leads nowhere',
    ]);
  });

  test('every npm command that is named exists', () => {
    const { scripts } = readRepoJson('package.json') as { scripts: Record<string, string> };
    const named = documents.flatMap((document) =>
      [...readRepoFile(document).matchAll(/\bnpm (?:run ([\w:-]+)|(test)\b)/g)].map(
        ([, run, own]) => run ?? own!,
      ),
    );
    expect(named).toEqual(expect.arrayContaining(['demo', 'test', 'check']));
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
  });

  test('the README names exactly two npm commands to run', () => {
    const commands = [...readRepoFile('README.md').matchAll(/^(npm .*)$/gm)].map(([, command]) => command);
    expect(commands).toEqual(['npm run demo', 'npm test']);
  });
});
