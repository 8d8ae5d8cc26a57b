import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './test/support/closing-line.js';
import { FailuresReporter } from './test/support/failures.js';

const { FEDROT_TEST_LABEL: label, FEDROT_TEST_FAILURES: failures, FEDROT_TEST_RETRY: retry } = process.env;

// Which tests need what. `npm test` runs all but the oracles; `npm run check` adds those.
const E2E = ['test/e2e/**/*.test.ts', 'test/docs/quick-start.test.ts'];
const HOUSE = ['test/house/**/*.test.ts', 'test/architecture.test.ts'];
const OPS = ['test/ops/**/*.test.ts'];
const IMAGES = ['test/images/**/*.test.ts'];
const ORACLES = ['test/oracles/**/*.test.ts'];
const BROWSER = ['test/browser/**/*.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', new ClosingLineReporter(label), new FailuresReporter(failures, label)],
    pool: 'forks',
    // None but in CI (.ci/run), where what passes only at the second try is reported as unsteady.
    retry: Number(retry ?? 0),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // Of `expect.poll`, 1 s unless told: what a busy machine needs longer for is no failure.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...E2E, ...HOUSE, ...OPS, ...IMAGES, ...ORACLES, ...BROWSER],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The project about itself: architecture, packaging, documents.
        extends: true,
        test: {
          name: 'house',
          include: HOUSE,
          testTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Real processes, each with threads of its own: one file at a time.
        extends: true,
        test: {
          name: 'e2e',
          include: E2E,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Deployment: Debian's Prometheus, container images; each says what it skips where a tool is missing.
        extends: true,
        test: {
          name: 'ops',
          include: OPS,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
      {
        // The dashboard in headless Chromium (scripts/chromium.mjs installs it).
        extends: true,
        test: {
          name: 'browser',
          include: BROWSER,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
      {
        // Container images, built and run without an engine: minutes, so a check of its own.
        extends: true,
        test: {
          name: 'images',
          include: IMAGES,
          globalSetup: 'test/images/support/build.ts',
          maxWorkers: 1,
          sequence: { groupOrder: 5 },
        },
      },
      {
        // Independent judges in Python (scripts/python-env.mjs makes their environment).
        extends: true,
        test: {
          name: 'oracles',
          include: ORACLES,
          testTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
