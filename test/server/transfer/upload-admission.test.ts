import { describe, expect, it } from 'vitest';
import { FedrotError } from '../../../src/errors.js';
import { UploadAdmission } from '../../../src/server/transfer/upload-admission.js';

const forEver = new AbortController().signal;

describe('admission of uploads', () => {
  it('admits in the order of arrival, as many as there are places', async () => {
    const admission = new UploadAdmission(2);
    const order: string[] = [];
    const enter = (name: string) =>
      admission.enter(forEver).then((place) => {
        order.push(name);
        return place;
      });
    const a = await enter('a');
    const b = await enter('b');
    const c = enter('c');
    const d = enter('d');
    expect(admission.waiting).toBe(2);
    expect(order).toEqual(['a', 'b']);
    b.leave();
    b.leave(); // counts once
    const third = await c;
    expect(order).toEqual(['a', 'b', 'c']);
    expect(admission.waiting).toBe(1);
    a.leave();
    third.leave();
    (await d).leave();
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  it('forgets who leaves the queue, and says why', async () => {
    const admission = new UploadAdmission(1);
    const first = await admission.enter(forEver);
    const leaving = new AbortController();
    const waiting = admission.enter(leaving.signal);
    const next = admission.enter(forEver);
    leaving.abort(new FedrotError('round_closed', 'the round is over'));
    await expect(waiting).rejects.toMatchObject({ code: 'round_closed' });
    await expect(admission.enter(leaving.signal)).rejects.toMatchObject({ code: 'round_closed' });
    first.leave();
    (await next).leave();
    expect(admission.waiting).toBe(0);
    // The place is free again.
    (await admission.enter(forEver)).leave();
  });
});
