import { appendFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Of a message; what follows is in the output above. */
const LONGEST = 300;

type Modules = readonly Pick<TestModule, 'children' | 'errors' | 'relativeModuleId'>[];

const firstLines = (errors: readonly { readonly message: string }[] | undefined): string =>
  (errors ?? []).map(({ message }) => message.replaceAll(/\s+/g, ' ').slice(0, LONGEST)).join(' | ');

/** A line for each failure: file, test, and what it said. What ran into an error outside any test counts too. */
export function failureLines(
  modules: Modules,
  unhandled: readonly Pick<SerializedError, 'message'>[],
): string[] {
  const lines = unhandled.map((error) => `outside any test: ${firstLines([error])}`);
  for (const module of modules) {
    const say = (what: string, errors: Parameters<typeof firstLines>[0]): void => {
      lines.push(`${[module.relativeModuleId, what].filter(Boolean).join(' > ')}: ${firstLines(errors)}`);
    };
    if (module.errors().length > 0) say('', module.errors());
    for (const suite of module.children.allSuites())
      if (suite.errors().length > 0) say(suite.fullName, suite.errors());
    for (const test of module.children.allTests('failed')) say(test.fullName, test.result().errors);
  }
  return lines;
}

/** A line for each test that failed at first and then passed (`retry` of the configuration). */
export function unsteadyLines(modules: Modules): string[] {
  return modules.flatMap(({ relativeModuleId, children }) =>
    [...children.allTests('passed')]
      .filter((test) => test.diagnostic()?.flaky === true)
      .map((test) => `unsteady: ${relativeModuleId} > ${test.fullName}: ${firstLines(test.result().errors)}`),
  );
}

/**
 * Adds every failure to a file, so that CI can say at the end of a long output what failed and why (.ci/run), and what passed at the second
 * try only. Nothing is written where all was well.
 */
export class FailuresReporter implements Reporter {
  constructor(
    private readonly file: string | undefined,
    private readonly label?: string,
  ) {}

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    if (this.file === undefined) return;
    for (const line of [...failureLines(modules, unhandled), ...unsteadyLines(modules)])
      appendFileSync(this.file, `${this.label ? `${this.label}: ` : ''}${line}\n`);
  }
}
