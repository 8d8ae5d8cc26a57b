import {
  Metadata,
  ServerInterceptingCall,
  status,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import type { ErrorCode } from '../errors.js';
import type { CertificateFacts } from '../pki/certificate.js';
import { firstValue } from './adapt-handler.js';
import { callerOf } from './callers.js';
import type { IncomingCall } from './guard.js';
import { CODE_TRAILER, codeOfStatus, toServiceError } from './status.js';

/** How a call ended, once for every call: also those that grpc-js refused before a handler saw them. */
export interface CallEnd {
  /** E.g. SiloService. */
  readonly service: string;
  /** E.g. SubmitUpdate, as in the proto. */
  readonly method: string;
  readonly code: 'ok' | ErrorCode;
  readonly peer: string;
  /** What the caller was told; empty where all went well. */
  readonly message: string;
  /** DER of the certificate that TLS has accepted. */
  readonly certificate?: Uint8Array | undefined;
  /** Who signed the request, where callers are known by that. */
  readonly caller?: CertificateFacts | undefined;
}

/** A status as grpc-js hands it on. */
interface Sent {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata | null;
}

/** A status with its code trailer; statuses of grpc-js itself get one and, where theirs is unclear, a better message. */
function withTrailer(given: Sent, maxMessageBytes: number): Sent {
  if (given.code === status.OK || (given.metadata?.get(CODE_TRAILER).length ?? 0) > 0) return given;
  const code = codeOfStatus({ code: given.code, details: given.details, metadata: null });
  const metadata = given.metadata?.clone() ?? new Metadata();
  metadata.set(CODE_TRAILER, code);
  const details =
    code === 'message_too_large'
      ? `${given.details}: this server takes messages of at most ${maxMessageBytes} bytes; send tensors in chunks`
      : given.details;
  return { ...given, details, metadata };
}

/** DER of the client certificate, where TLS has accepted one. */
export function certificateOf(
  call: Pick<ServerInterceptingCallInterface, 'getAuthContext'>,
): Buffer | undefined {
  return call.getAuthContext().sslPeerCertificate?.raw;
}

/** `/fedrot.v1.SiloService/SubmitUpdate` as service, with and without its package, and method. */
function namesOf(path: string): { full: string; service: string; method: string } {
  const [, full = '', method = ''] = path.split('/');
  return { full, service: full.slice(full.lastIndexOf('.') + 1), method };
}

/**
 * Gives every status that leaves the server its code trailer, and reports it. grpc-js sends some statuses itself (a
 * message over the limit, a passed deadline) through the same method of the same object, so this sees all of them.
 */
export function statusObserver(
  onCallEnd: (end: CallEnd) => void,
  maxMessageBytes: number,
): ServerInterceptor {
  return (definition, call) => {
    const { service, method } = namesOf(definition.path);
    const send = call.sendStatus.bind(call);
    const peer = call.getPeer();
    const certificate = certificateOf(call);
    let metadata: Metadata | undefined;
    let ended = false;
    call.sendStatus = (given): void => {
      const final = withTrailer(given as Sent, maxMessageBytes);
      if (!ended) {
        ended = true;
        const ok = final.code === status.OK;
        onCallEnd({
          service,
          method,
          code: ok ? 'ok' : codeOfStatus(final),
          message: ok ? '' : final.details,
          peer,
          certificate,
          caller: callerOf(metadata),
        });
      }
      send(final);
    };
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (received, proceed) => {
            metadata = received;
            proceed(received);
          },
        });
      },
    });
  };
}

/** Refuses calls as soon as their headers are there; `admit` throws where the call may not go on. */
export function gate(
  admit: (call: IncomingCall) => void,
  problemOf: (peer: string) => string | undefined,
): ServerInterceptor {
  return (definition, call) =>
    new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const { full, method } = namesOf(definition.path);
            const peer = call.getPeer();
            try {
              admit({
                service: full,
                method,
                peer,
                certificate: certificateOf(call),
                certificateProblem: problemOf(peer),
                metadata: (key) => firstValue(metadata, key),
              });
            } catch (refused) {
              call.sendStatus(toServiceError(refused));
              return;
            }
            proceed(metadata);
          },
        });
      },
    });
}
