import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalJson } from './canonical-json.js';
import { LLAMA2C_TOKENIZER_CONFIG, llama2cTokenizer } from './llama2c/tokenizer.js';
import { TextTokenizer, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from './tokenizer.js';

/** llama2.c's own format. */
const LLAMA2C_FILE = 'tokenizer.bin';

/**
 * Puts tokenizer.json (and tokenizer_config.json, where there is one) into a bundle's folder and opens it. `from` is a
 * folder, a tokenizer.json (whatever it is called) or a llama2.c tokenizer.bin, which is rewritten as tokenizer.json. Throws not_found or file_invalid.
 */
export async function placeTokenizer(
  from: string,
  to: string,
  options: { readonly padId?: number | undefined },
): Promise<TextTokenizer> {
  const binary = await llama2cFile(from);
  if (binary !== undefined) {
    await writeFile(
      join(to, TOKENIZER_FILE),
      JSON.stringify(llama2cTokenizer(await readFile(binary), binary)),
    );
    await writeFile(join(to, TOKENIZER_CONFIG_FILE), canonicalJson(LLAMA2C_TOKENIZER_CONFIG));
    return TextTokenizer.open(to, options);
  }
  const file = (await isFile(from)) ? from : join(from, TOKENIZER_FILE);
  const tokenizer = await TextTokenizer.openFile(file, options);
  await copyFile(file, join(to, TOKENIZER_FILE));
  const folder = dirname(file);
  if ((await readdir(folder)).includes(TOKENIZER_CONFIG_FILE))
    await copyFile(join(folder, TOKENIZER_CONFIG_FILE), join(to, TOKENIZER_CONFIG_FILE));
  return tokenizer;
}

async function llama2cFile(from: string): Promise<string | undefined> {
  if (await isFile(from)) return from.endsWith('.bin') ? from : undefined;
  const [json, binary] = [join(from, TOKENIZER_FILE), join(from, LLAMA2C_FILE)];
  return !(await isFile(json)) && (await isFile(binary)) ? binary : undefined;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
