import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { workerUrl } from '../../worker-url.js';

/** Where the build puts the dashboard; from the sources too. */
function dashboardFolder(): string {
  return dirname(fileURLToPath(workerUrl(import.meta.url, '../../web/index.html')));
}

/** Names with a hash of their content never change. */
const FOREVER = 'public, max-age=31536000, immutable';
const ASK_AGAIN = 'no-cache';

/** Everything comes from here, nothing runs that is not a file of ours, nobody frames it, nothing is told elsewhere. */
export const securityHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    fontSrc: ["'self'"],
    manifestSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
  },
  referrerPolicy: 'no-referrer',
  crossOriginOpenerPolicy: 'same-origin',
  crossOriginResourcePolicy: 'same-origin',
  xFrameOptions: 'DENY',
  strictTransportSecurity: false, // that is for whoever ends TLS
});

/** The dashboard's files. Every path that is no file is a page of the one document. */
export function createDashboard(folder = dashboardFolder()): Hono {
  const app = new Hono();
  const root = relative(process.cwd(), folder) || '.';
  app.use(async (context, next) => {
    await next();
    const { path } = context.req;
    if (context.res.ok) context.header('Cache-Control', path.startsWith('/assets/') ? FOREVER : ASK_AGAIN);
  });
  app.use('/*', serveStatic({ root, precompressed: true }));
  app.get('*', async (context, next) => {
    // A script or style that is not there any more is not a page.
    if (context.req.path.startsWith('/assets/') || !existsSync(join(folder, 'index.html'))) return next();
    return serveStatic({ root, path: 'index.html', precompressed: true })(context, next);
  });
  return app;
}
