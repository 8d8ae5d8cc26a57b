import { X509Certificate } from 'node:crypto';
import { request } from 'node:http';
import { isIP, connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls';
import { FedrotError } from '../../errors.js';
import { fingerprint, formatFingerprint } from '../../pki/fingerprint.js';
import { splitAddress } from '../../rpc/address.js';
import type { ConnectProxy } from '../../rpc/channel-options.js';

const TIMEOUT_MS = 15_000;

function unavailable(address: string, why: string, cause?: unknown): FedrotError {
  return new FedrotError('unavailable', `${address}: ${why}`, { cause });
}

/** A TCP connection, through the proxy where there is one. */
function openSocket(address: string, proxy: ConnectProxy | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (proxy === undefined) {
      const socket = connectTcp(splitAddress(address), () => resolve(socket));
      socket.once('error', (cause) =>
        reject(unavailable(address, `cannot be reached (${cause.message})`, cause)),
      );
      return;
    }
    const basic = proxy.credentials && Buffer.from(proxy.credentials).toString('base64');
    const asking = request({
      host: proxy.host,
      port: proxy.port,
      method: 'CONNECT',
      path: address,
      headers: { Host: address, ...(basic && { 'Proxy-Authorization': `Basic ${basic}` }) },
    });
    asking.once('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) resolve(socket);
      else reject(unavailable(address, `the proxy answers ${statusCode ?? 'nothing'} to CONNECT`));
    });
    asking.once('error', (cause) =>
      reject(unavailable(address, `the proxy cannot be reached (${cause.message})`, cause)),
    );
    asking.end();
  });
}

/** Every certificate that the server showed, its own first. */
function chainOf(first: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  // A self-signed root is its own issuer; a certificate whose issuer was not sent has none, whatever Node's types say.
  let at = first as Partial<DetailedPeerCertificate> | undefined;
  while (at?.raw !== undefined) {
    const { raw } = at;
    if (chain.some((known) => known.equals(raw))) break;
    chain.push(raw);
    at = at.issuerCertificate;
  }
  return chain;
}

/**
 * Connects without trust and takes, of the certificates that the server shows, the one with the fingerprint that the operator
 * told by another way. Nothing is sent. Throws unavailable, and unauthenticated where there is none: then whoever answers is not the coordinator.
 */
export async function findRoot(
  address: string,
  wanted: string,
  proxy?: ConnectProxy,
): Promise<X509Certificate> {
  const { host } = splitAddress(address);
  const socket = await openSocket(address, proxy);
  const chain = await new Promise<Buffer[]>((resolve, reject) => {
    const secure = connectTls(
      {
        socket,
        ...(isIP(host) === 0 && { servername: host }),
        // The certificate is what is looked for here; it is compared with the fingerprint below.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['h2'],
      },
      () => {
        resolve(chainOf(secure.getPeerCertificate(true)));
        secure.end();
      },
    );
    secure.setTimeout(TIMEOUT_MS, () => {
      secure.destroy();
      reject(unavailable(address, 'does not answer'));
    });
    secure.once('error', (cause: Error) => {
      reject(unavailable(address, `does not speak TLS as a coordinator does (${cause.message})`, cause));
    });
  });
  const found = chain.find((raw) => fingerprint(raw) === wanted);
  if (found !== undefined) return new X509Certificate(found);
  const last = chain.at(-1);
  throw new FedrotError(
    'unauthenticated',
    `${address} is not the coordinator of this token: none of its certificates has the fingerprint given, the topmost has ${last === undefined ? 'none' : formatFingerprint(fingerprint(last))}. Behind a load balancer or a proxy that opens TLS, name its authority with --roots`,
  );
}
