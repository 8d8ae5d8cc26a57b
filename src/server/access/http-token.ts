import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { isLoopback } from '../../pki/loopback.js';
import { readSecret, writeSecret } from '../../pki/secret-file.js';
import { hashToken, newToken } from '../../pki/secret-token.js';
import type { CoordinatorConfig } from '../config.js';
import { accessFolders } from './open-access.js';

const PREFIX = 'fedrot-http';

/** SHA-256 of the token that the HTTP side asks for, or undefined where it asks for none. Makes the token where its file is missing. */
export function httpTokenSha256({ http, dataFolder }: CoordinatorConfig): string | undefined {
  if (http.auth === 'none' || (http.auth === 'auto' && isLoopback(http.host))) return undefined;
  const path = http.tokenFile ?? join(accessFolders(dataFolder).pki, 'http-token');
  if (!existsSync(path)) writeSecret(path, `${newToken(PREFIX)}\n`);
  const token = readSecret(path).trim();
  if (token.length < 32)
    throw new FedrotError('config_invalid', `${path}: a token of at least 32 characters is needed`);
  return hashToken(token);
}
