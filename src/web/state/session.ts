import { computed, signal } from '@preact/signals';
import type { Role, Session } from '../../api/types.js';
import { mayAct } from '../lib/roles.js';
import { act, ask, failureOf, remove, type ApiFailure } from './api.js';

/** Who is signed in; null until the coordinator has said. */
export const session = signal<Session | null>(null);
export const sessionFailure = signal<ApiFailure | null>(null);

/** What the coordinator's clock is ahead of this one, ms. */
const skewMs = signal(0);
/** This machine's time, to the second. */
export const tick = signal(Date.now());
setInterval(() => {
  tick.value = Date.now();
}, 1000);

/** The coordinator's time, to the second. */
export const now = computed(() => tick.value + skewMs.value);

export function setClock(nowMs: number): void {
  skewMs.value = nowMs - Date.now();
  tick.value = Date.now();
}

export const may = (least: Role): boolean => mayAct(session.value?.role ?? null, least);

export async function loadSession(): Promise<void> {
  try {
    took(await ask<Session>('/session'));
    sessionFailure.value = null;
  } catch (thrown) {
    sessionFailure.value = failureOf(thrown);
  }
}

/** Throws ApiFailure. */
export async function signIn(token: string): Promise<void> {
  took(await act<Session>('/session', { token }));
}

export async function signOut(): Promise<void> {
  await remove('/session');
  await loadSession();
}

function took(answer: Session): void {
  session.value = answer;
  setClock(answer.nowMs);
}
