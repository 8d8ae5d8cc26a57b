import { describe, expect, it } from 'vitest';
import { distinct, fingerprint } from '../../../src/cli/demo/corpus.js';
import { mailBody } from '../../../src/cli/demo/mail.js';

const headers = [
  'From sender@example.org  Thu Aug 22 12:36:23 2002',
  'Return-Path: <sender@example.org>',
  'Received: from relay.example.org (relay [192.0.2.7])',
  '\tby mx.example.net with ESMTP id ABC; Thu, 22 Aug 2002 07:36:16 -0400',
  'From: Sender <sender@example.org>',
  'Subject: SECRETSUBJECT',
  'X-Mailer: SECRETMAILER',
];
const mail = (extra: string[], ...body: string[]): string =>
  [...headers, ...extra, '', ...body, ''].join('\n');

describe('mailBody', () => {
  it.each<[string, string, string]>([
    ['plain text', mail([], 'Hello   there,', '', 'see you.'), 'Hello there, see you.'],
    [
      'quoted-printable in latin-1',
      mail(
        ['Content-Type: text/plain; charset="iso-8859-1"', 'Content-Transfer-Encoding: quoted-printable'],
        'caf=E9 is=',
        ' open',
      ),
      'café is open',
    ],
    [
      'base64',
      mail(
        ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64'],
        Buffer.from('Win a prize').toString('base64'),
      ),
      'Win a prize',
    ],
    [
      'HTML without its markup, style, script and link targets',
      mail(
        ['Content-Type: text/html'],
        '<html><head><title>t</title><style>p{color:red}</style></head><body><p>Buy <b>now</b> &amp; save</p>',
        '<script>track()</script><a href="http://evil.example/x?id=1">click</a><img alt="pic" src="x.gif"></body></html>',
      ),
      'Buy now & save click',
    ],
    [
      'multipart/alternative takes the plain part',
      mail(
        ['Content-Type: multipart/alternative; boundary="b1"'],
        '--b1',
        'Content-Type: text/plain',
        '',
        'the plain part',
        '--b1',
        'Content-Type: text/html',
        '',
        '<p>the html part</p>',
        '--b1--',
      ),
      'the plain part',
    ],
    [
      'HTML that calls itself plain',
      mail(['Content-Type: text/plain'], '<HTML><BODY><FONT size=7>LOUD</FONT></BODY></HTML>'),
      'LOUD',
    ],
    [
      'header lines of a forwarded mail and the mbox separator',
      mail(
        [],
        'Look at this:',
        '>From other@example.com Fri Aug 23 10:00:00 2002',
        'Received: from a (a [192.0.2.9])',
        '\tby b; Fri, 23 Aug 2002',
        '> Message-Id: <x@example.com>',
        'X-Spam-Status: Yes, hits=9.9',
        'it came today',
      ),
      'Look at this: it came today',
    ],
    ['nothing', mail([], ''), ''],
  ])('%s', async (_name, raw, body) => {
    expect(await mailBody(raw)).toBe(body);
  });

  it('keeps nothing of the headers', async () => {
    const body = await mailBody(mail([], 'just this'));
    expect(body).toBe('just this');
    for (const line of headers) expect(body).not.toContain(line.slice(0, 20));
  });
});

describe('distinct', () => {
  it('keeps one of each campaign and nothing that says nothing', () => {
    const text = 'Refinance your home today at the lowest rates in forty years';
    const kept = distinct([
      { label: 'spam', text },
      { label: 'spam', text: `${text.toUpperCase()}!!! 48151623` },
      { label: 'spam', text: '12345 67890 !!!' },
      { label: 'ham', text: 'The patch for the parser is attached, please review it' },
    ]);
    expect(kept.map((example) => example.text.slice(0, 9))).toEqual(['Refinance', 'The patch']);
    expect(fingerprint('A1 b2')).toBe('ab');
  });
});
