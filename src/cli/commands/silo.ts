import { group, type BuildCommand } from '../command.js';
import { buildReadmit, buildRevoke } from './silo-access.js';
import { buildList } from './silo-list.js';
import { buildShow } from './silo-show.js';

export const build: BuildCommand = (context) =>
  group('silo', 'list, show, revoke and readmit silos', [
    buildList(context),
    buildShow(context),
    buildRevoke('silo', context),
    buildReadmit('silo', context),
  ]);
