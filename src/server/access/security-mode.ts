import { FedrotError } from '../../errors.js';
import { isLoopback } from '../../pki/loopback.js';
import type { CoordinatorConfig } from '../config.js';

/** What `security.mode` comes to. */
export type SecurityMode = 'plaintext' | 'tls' | 'balancer';

/** Throws config_invalid for plain text on an address that others can reach. */
export function securityMode({ security, grpc }: CoordinatorConfig): SecurityMode {
  const loopback = isLoopback(grpc.host);
  if (security.mode === 'auto') return loopback ? 'plaintext' : 'tls';
  if (security.mode === 'plaintext' && !loopback)
    throw new FedrotError(
      'config_invalid',
      `security.mode: plaintext is for loopback only, and grpc.host is ${grpc.host}; set security.mode to tls`,
    );
  return security.mode;
}
