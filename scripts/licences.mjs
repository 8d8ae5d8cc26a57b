// The licences of packages whose code is bundled into files of ours: they ask to come along.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A plugin of Vite that notes in `packages` whose code goes into what is built. */
export const rememberPackages = (packages) => ({
  name: 'remember-packages',
  generateBundle(_, bundle) {
    for (const { modules = {} } of Object.values(bundle))
      for (const id of Object.keys(modules)) {
        const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id.replaceAll('\\', '/')) ?? [];
        if (name) packages.add(name);
      }
  },
});

/** Name, version and licence text of each. Throws where a package has none. */
export function licenceTexts(root, packages) {
  return [...packages]
    .sort()
    .map((name) => {
      const folder = join(root, 'node_modules', name);
      const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      if (file === undefined) throw new Error(`${name} is bundled, and has no licence file (${folder})`);
      return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
