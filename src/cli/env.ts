/** The one place that reads the environment; everything else is given what it needs. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable's text; an empty one is not set: compose files write `VAR=` for "not given". */
export function variable(environment: Environment, name: string): string | undefined {
  const text = environment[name];
  return text === '' ? undefined : text;
}

export function readEnvironment(): Environment {
  return { ...process.env };
}
