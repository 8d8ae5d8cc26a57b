import { join } from 'node:path';

/** Folders of a silo below its own. */
export function siloFolders(folder: string) {
  return {
    consents: join(folder, 'consents'),
    journal: join(folder, 'journal.jsonl'),
    adapters: join(folder, 'adapters'),
    bundles: join(folder, 'bundles'),
    updates: join(folder, 'updates'),
    training: join(folder, 'training'),
    activations: join(folder, 'activations'),
    own: join(folder, 'own'),
    bases: join(folder, 'bases'),
  };
}
