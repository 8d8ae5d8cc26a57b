import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * What a run came to. A file that could not be loaded, a suite whose hooks threw and an error outside any test each
 * count as one failure: a run that lost tests that way must not close with `0 failed`.
 */
export function countTests(
  modules: readonly Pick<TestModule, 'children' | 'errors'>[],
  unhandled: readonly SerializedError[],
): TestCounts {
  const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) counts.failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that never got to run was not skipped by anyone's decision.
      counts[state === 'pending' ? 'failed' : state] += 1;
    }
  }
  return counts;
}

export function closingLine({ passed, failed, skipped }: TestCounts, label?: string): string {
  return `${label ? `${label}: ` : ''}${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Prints the closing line that CI reads, alone on a line, after what the default reporter prints. */
export class ClosingLineReporter implements Reporter {
  constructor(
    private readonly label?: string,
    private readonly write: (line: string) => void = (line) => process.stdout.write(line),
  ) {}

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.write(`\n${closingLine(countTests(modules, unhandled), this.label)}\n`);
  }
}
