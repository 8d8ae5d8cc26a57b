/**
 * Where a worker's compiled file lies, seen from the module that starts it: `workerUrl(import.meta.url, './worker.js')`.
 * Workers run compiled code, so from a TypeScript source (vitest) the same path below dist/ is taken; that needs a build.
 */
export function workerUrl(importMetaUrl: string, relative: string): URL {
  const url = new URL(relative, importMetaUrl);
  if (!importMetaUrl.endsWith('.ts')) return url;
  const at = url.pathname.lastIndexOf('/src/');
  if (at >= 0) url.pathname = `${url.pathname.slice(0, at)}/dist/${url.pathname.slice(at + '/src/'.length)}`;
  return url;
}
