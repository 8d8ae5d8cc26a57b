import type { RunLogEntry } from '../../rpc/gen/fedrot/v1/RunLogEntry.js';
import type { AdminClient } from '../admin/connect.js';

const PAGE = 1000;

/** Entries of a run's log after `afterSeq`, of at least that level (info, warn, error), in order, up to the newest one. */
export async function* readEvents(
  admin: AdminClient,
  query: { readonly runId: string; readonly afterSeq?: number; readonly minLevel: string },
): AsyncGenerator<RunLogEntry> {
  const { runId, minLevel } = query;
  let afterSeq = query.afterSeq ?? 0;
  for (let isMore = true; isMore;) {
    const { events, more } = await admin.listEvents({ runId, afterSeq, limit: PAGE, minLevel });
    yield* events;
    afterSeq = events.at(-1)?.seq ?? afterSeq;
    isMore = more;
  }
}
