import type { CertificateFacts } from './certificate.js';

/** A certificate is renewed when this share of its life is over; the rest is for coordinators that cannot be reached. */
const RENEW_AT = 2 / 3;

/** Renewals are spread over this share of the life before, so that silos enrolled together do not come together. */
const SPREAD = 0.05;

type Life = Pick<CertificateFacts, 'notBeforeMs' | 'notAfterMs' | 'sha256'>;

/**
 * When to renew; Unix epoch, ms. The spread comes from the certificate's own hash, so the answer is the same after
 * every restart.
 */
export function renewAtMs(life: Life): number {
  const spread = (Number.parseInt(life.sha256.slice(0, 8), 16) / 2 ** 32) * SPREAD;
  return Math.round(life.notBeforeMs + (life.notAfterMs - life.notBeforeMs) * (RENEW_AT - spread));
}

/** `keep`, `renew` while the old one still works, or `expired`: only a new token helps. */
export function renewalState(life: Life, nowMs: number): 'keep' | 'renew' | 'expired' {
  if (nowMs > life.notAfterMs) return 'expired';
  return nowMs >= renewAtMs(life) ? 'renew' : 'keep';
}
