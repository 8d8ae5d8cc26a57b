import { group, type BuildCommand } from '../command.js';
import { buildReadmit, buildRevoke } from './silo-access.js';

export const build: BuildCommand = (context) =>
  group('operator', 'revoke and readmit operators', [
    buildRevoke('operator', context),
    buildReadmit('operator', context),
  ]);
