/** Characters that are tokenized at once: without word boundaries the library takes more than linear time. */
const PIECE_CHARACTERS = 1000;

/**
 * A text in pieces that are tokenized alone as they are together: cut at single spaces between words, which are left out. None
 * for the empty text.
 */
export function textPieces(text: string): string[] {
  const found: string[] = [];
  let begin = 0;
  while (text.length - begin > PIECE_CHARACTERS) {
    const cut = /[\p{L}\p{N}.,] (?=[\p{L}\p{N}])/u.exec(text.slice(begin + PIECE_CHARACTERS));
    if (cut === null) break;
    const at = begin + PIECE_CHARACTERS + cut.index + cut[0].length - 1;
    found.push(text.slice(begin, at));
    begin = at + 1;
  }
  return begin < text.length ? [...found, text.slice(begin)] : found;
}
