import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The folder with golden data that lies beside the repo, or where FEDROT_SHARED says. */
const shared = process.env.FEDROT_SHARED ?? join(root, '../shared');

export const goldenTrain = join(shared, 'data/golden/train');

/** False where the golden data are absent; tests that need them are then skipped. */
export const hasGolden = existsSync(goldenTrain);

/** For a test's title, so that a skip says why. */
export const goldenNote = hasGolden ? '' : ' (skipped: no ../shared/data/golden/train; set FEDROT_SHARED)';
