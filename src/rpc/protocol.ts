import { FedrotError } from '../errors.js';

/** The protocol versions that a side speaks: proto/fedrot/v1 is version 1. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

export const PROTOCOL: ProtocolRange = { min: 1, max: 1 };

/** The newest version that both speak; undefined where there is none. */
export function commonProtocol(ours: ProtocolRange, theirs: ProtocolRange): number | undefined {
  const newest = Math.min(ours.max, theirs.max);
  return newest >= Math.max(ours.min, theirs.min, 1) ? newest : undefined;
}

/** What the coordinator chose, if this side speaks it. Throws protocol_version. */
export function requireSpoken(chosen: number, ours: ProtocolRange, coordinator: string): number {
  if (chosen >= ours.min && chosen <= ours.max) return chosen;
  throw new FedrotError(
    'protocol_version',
    `the coordinator (${coordinator || 'of an unknown version'}) chose protocol ${chosen}, this silo speaks ${ours.min} to ${ours.max}: update the older of the two`,
  );
}
