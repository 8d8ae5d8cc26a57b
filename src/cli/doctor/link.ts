import type { ClientConfig } from '../../client/config.js';
import { CLOCK_TOLERANCE_MS } from '../../client/link/heartbeat.js';
import { credentialFolder, partySecurity, type PartySecurity } from '../../client/link/party-security.js';
import { systemClock } from '../../clock.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import { describeIdentity } from '../../pki/identity.js';
import { renewalState } from '../../pki/renewal.js';
import { createSiloClient } from '../../rpc/client.js';
import type { CheckResponse } from '../../rpc/gen/fedrot/v1/CheckResponse.js';
import { commonProtocol, PROTOCOL } from '../../rpc/protocol.js';
import { fromServiceError } from '../../rpc/status.js';
import { formatBytes, formatDuration, formatTime } from '../format.js';
import { packageVersion } from '../../version.js';
import { fail, ok, skip, warn, type Finding } from './finding.js';

const DEADLINE_MS = 10_000;

const ENROL = 'ask the operator for a token and run `fedrot enrol`';

function checkCredential(config: ClientConfig, party: PartySecurity, nowMs: number): Finding {
  if (party.credential === undefined) return skip('certificate', 'plain text on loopback: none is needed');
  const { identity, notAfterMs, notBeforeMs } = party.credential.facts;
  const whose = `of ${describeIdentity(identity)}, valid until ${formatTime(notAfterMs)}`;
  if (identity.kind !== 'silo' || identity.name !== config.name)
    return fail(
      'certificate',
      `${whose}; this silo is called ${config.name}`,
      `set name to ${identity.name}, or enrol as ${config.name}`,
    );
  if (nowMs < notBeforeMs)
    return fail(
      'certificate',
      `${whose}, but not before ${formatTime(notBeforeMs)}`,
      'set this machine’s clock by NTP',
    );
  switch (renewalState(party.credential.facts, nowMs)) {
    case 'expired':
      return fail('certificate', `${whose}: it has expired`, ENROL);
    case 'renew':
      return warn(
        'certificate',
        `${whose}: it is due for renewal`,
        'start the daemon: it renews by itself while the old one is valid',
      );
    case 'keep':
      return ok('certificate', whose);
  }
}

/** What helps against a connection that failed, by what TLS, the network or the coordinator said. */
const CURES: readonly (readonly [said: RegExp, fix: string])[] = [
  [
    /ENOTFOUND|EAI_AGAIN|Name resolution|getaddrinfo/i,
    'the name of the coordinator is not known here: check `coordinator` and the DNS',
  ],
  [/ECONNREFUSED/, 'nothing listens there: is the coordinator running, and is the port right?'],
  [
    /ETIMEDOUT|deadline|EHOSTUNREACH|ENETUNREACH/i,
    'nothing answers: a firewall in between? The silo needs one outbound TCP connection; through a proxy set security.proxy',
  ],
  [
    /self.signed|unable to (get|verify)|UNABLE_TO|issuer|unknown ca/i,
    'the certificate shown is not of the consortium: a TLS-inspecting proxy in between? Else enrol again with the right fingerprint',
  ],
  [
    /altnames|Hostname\/IP/i,
    'the coordinator’s certificate is not for this name: the operator adds it with security.hosts',
  ],
  [
    /expired/i,
    'a certificate has expired: check the clocks; else the operator renews the coordinator’s, and you enrol again',
  ],
  [/revoked/i, 'this silo was put out: ask the operator; after `fedrot silo readmit` enrol again'],
  [
    /wrong version number|SSL routines|EPROTO|socket hang up|ECONNRESET/i,
    'one side speaks TLS and the other does not: check security.mode of both',
  ],
];

const cureOf = (text: string): string =>
  CURES.find(([said]) => said.test(text))?.[1] ??
  'check `coordinator`, network and firewall; the operator’s log says why it refused';

/** Everything that an error and its causes say. */
function allSaid(error: unknown): string {
  return error instanceof Error ? `${error.message} ${allSaid(error.cause)}` : '';
}

function describeAnswer(
  answer: CheckResponse,
  sentMs: number,
  receivedMs: number,
  address: string,
): Finding[] {
  const { softwareVersion, protocolMin, protocolMax, connected, maxUpdateBytes, serverTimeMs } = answer;
  const protocol = commonProtocol(PROTOCOL, { min: protocolMin, max: protocolMax });
  const offMs = Math.round(serverTimeMs - (sentMs + receivedMs) / 2);
  const off = formatDuration(Math.abs(offMs));
  return [
    ok(
      'connection',
      `${address} answers in ${formatDuration(receivedMs - sentMs)}; updates up to ${formatBytes(maxUpdateBytes)}; ` +
        `this silo's daemon is ${connected ? '' : 'not '}connected`,
    ),
    protocol !== undefined
      ? ok('version', `coordinator ${softwareVersion}, silo ${packageVersion()}, protocol ${protocol}`)
      : fail(
          'version',
          `the coordinator (${softwareVersion}) speaks protocols ${protocolMin} to ${protocolMax}, this silo ${PROTOCOL.min} to ${PROTOCOL.max}`,
          'update the older of the two',
        ),
    Math.abs(offMs) > CLOCK_TOLERANCE_MS
      ? fail(
          'clock',
          `the coordinator's clock is ${off} ${offMs > 0 ? 'ahead of' : 'behind'} this machine's`,
          'set both clocks by NTP: deadlines and certificates depend on them',
        )
      : ok('clock', `within ${off} of the coordinator's`),
  ];
}

async function ask(config: ClientConfig, party: PartySecurity): Promise<Finding[]> {
  const { coordinator: address, name: silo } = config;
  const client = createSiloClient({
    address,
    security: party.security,
    ...(party.proxy && { proxy: party.proxy }),
  });
  const sentMs = Date.now();
  try {
    const answer = await client.check({ silo }, { deadlineMs: DEADLINE_MS });
    return describeAnswer(answer, sentMs, Date.now(), address);
  } catch (thrown) {
    const error = thrown instanceof FedrotError ? thrown : fromServiceError(thrown);
    return [fail('connection', `${address}: ${error.message}`, cureOf(allSaid(error)))];
  } finally {
    client.close();
  }
}

/** Credential, connection, versions and clock. Begins no session: a daemon that runs is not disturbed. */
export async function checkLink(config: ClientConfig): Promise<Finding[]> {
  let party: PartySecurity;
  try {
    const folder = credentialFolder(config.folder, config.security.credential);
    party = partySecurity({
      ...config.security,
      coordinator: config.coordinator,
      folder,
      clock: systemClock,
    });
  } catch (thrown) {
    const { code, message } = asFedrotError(thrown);
    const fix = code === 'permission_denied' ? 'chmod 600 the file: nobody else may read the key' : ENROL;
    return [fail('certificate', message, fix), skip('connection', 'not tried without a credential')];
  }
  return [checkCredential(config, party, Date.now()), ...(await ask(config, party))];
}
