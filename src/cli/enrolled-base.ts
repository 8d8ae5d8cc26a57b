import { join } from 'node:path';
import { readEnrolment } from '../client/link/enrolment.js';
import { variable, type Environment } from './env.js';
import { readYamlFile } from './config/yaml-file.js';

const DEFAULT_FOLDER = './fedrot-silo';

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What an enrolled silo need not be told again: its name and its coordinator. Below file, variables and flags. */
export function enrolledBase(
  file: string | undefined,
  environment: Environment,
  flags: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const tree = file === undefined ? {} : readYamlFile(file);
  const { security } = tree;
  const inFile =
    typeof security === 'object' && security !== null ? text(Reflect.get(security, 'credential')) : undefined;
  const folder =
    flags['--folder'] ?? variable(environment, 'FEDROT_FOLDER') ?? text(tree.folder) ?? DEFAULT_FOLDER;
  const credential =
    flags['--security-credential'] ?? variable(environment, 'FEDROT_SECURITY_CREDENTIAL') ?? inFile;
  const enrolment = readEnrolment(credential ?? join(folder, 'credential'));
  if (enrolment?.kind !== 'silo') return {};
  return { name: enrolment.name, coordinator: enrolment.coordinator };
}
