import { compile } from 'html-to-text';
import PostalMime from 'postal-mime';

/** What a reader of the mail would have seen of an HTML part: text, no link targets, no pictures. */
const stripTags = compile({
  wordwrap: false,
  limits: { maxInputLength: 200_000, maxDepth: 200, ellipsis: '' },
  selectors: [
    { selector: 'img', format: 'skip' },
    { selector: 'a', options: { ignoreHref: true } },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, format: 'block' })),
  ],
});

/** A header field of RFC 5322 or of a mail program with its folded lines, at the start of a line, quoted (`> `) or not. */
const HEADER_FIELD =
  /^[>|\t ]*(?:return-path|delivered-to|received|message-id|mime-version|content-[a-z-]+|in-reply-to|references|reply-to|errors-to|sender|precedence|list-[a-z-]+|status|x-[a-z0-9-]+|from|to|cc|bcc|subject|date)[ \t]*:.*(?:\n[ \t]+\S.*)*\n?/gim;

/** The mbox separator, `From someone@example.org  Thu Aug 22 13:17:22 2002`. */
const MBOX_SEPARATOR = /^>?From \S+ .*\d{4}.*\n?/gm;

/** Spaces and line ends to single spaces; a soft hyphen, zero-width or control character is nothing. */
function squeeze(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u200b-\u200f\ufeff\ufffd]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * The text of a mail's body (RFC 5322, MIME): headers dropped, transfer encodings and character sets decoded, markup
 * stripped, white space squeezed; attachments left out. Header lines that stand inside the body (forwarded mails, bounces,
 * broken MIME) go too: they name mailing lists and hosts, which tell ham from spam without any reading.
 * Empty where nothing is left.
 */
export async function mailBody(raw: string): Promise<string> {
  // An mbox line before the headers would end them for a strict parser.
  const mail = await PostalMime.parse(raw.replace(/^From .*\n/, ''), { forceRfc822Attachments: false });
  const plain = mail.text ?? '';
  const html = mail.html ?? '';
  const looksLikeHtml = /<(?:html|body|table|font|p|br|div|center)\b/i.test(plain);
  const text = plain.trim() !== '' && !looksLikeHtml ? plain : stripTags(html !== '' ? html : plain);
  return squeeze(text.replace(MBOX_SEPARATOR, '').replace(HEADER_FIELD, ''));
}
