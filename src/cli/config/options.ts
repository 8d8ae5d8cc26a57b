import { Option, type Command } from 'commander';
import type { z } from 'zod';
import { settingsOf, type Setting } from './settings.js';

/** Commander's name of an option's value: --data-text-column → dataTextColumn. */
const attribute = (flag: string): string =>
  flag.slice(2).replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const PLACEHOLDERS: Readonly<Record<Setting['kind'], string>> = {
  string: '<text>',
  number: '<number>',
  boolean: '[boolean]',
  list: '<a,b,…>',
  yaml: '<yaml>',
};

function help({ description, variable, default: value }: Setting, withVariable: boolean): string {
  const notes = [
    ...(value === undefined ? [] : [`default: ${typeof value === 'string' ? value : JSON.stringify(value)}`]),
    ...(withVariable ? [`env: ${variable}`] : []),
  ];
  return [description, notes.length > 0 ? `(${notes.join(', ')})` : '']
    .filter((part) => part !== '')
    .join(' ');
}

/**
 * One option for every setting of a schema. `except` leaves out flags that the command defines itself.
 * Booleans take an optional value: --spinning, --spinning false.
 */
export function addSettingOptions(
  command: Command,
  schema: z.ZodType,
  { except = [], variables = true }: { except?: readonly string[]; variables?: boolean } = {},
): void {
  for (const setting of settingsOf(schema)) {
    if (except.includes(setting.flag)) continue;
    command.addOption(new Option(`${setting.flag} ${PLACEHOLDERS[setting.kind]}`, help(setting, variables)));
  }
}

/** The texts that were given for a schema's flags, for loadConfig; `except` as for addSettingOptions. */
export function givenFlags(
  command: Command,
  schema: z.ZodType,
  except: readonly string[] = [],
): Record<string, string> {
  const values = command.opts<Readonly<Record<string, string | true | undefined>>>();
  return Object.fromEntries(
    settingsOf(schema).flatMap(({ flag }): [string, string][] => {
      const value = values[attribute(flag)];
      if (value === undefined || except.includes(flag)) return [];
      return [[flag, typeof value === 'string' ? value : String(value)]];
    }),
  );
}
