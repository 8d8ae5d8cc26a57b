import { FedrotError } from '../errors.js';
import { requireSafeIntegers } from './integers.js';
import type { Method } from './protos.js';

/** What a deserializer returns for bytes that are no valid message: grpc-js would hide a thrown error behind INTERNAL. */
export type Decoded<T> = T | FedrotError;

/** The bytes that a request was decoded from, for as long as the request lives. */
const rawBytes = new WeakMap<object, Uint8Array>();

export function rawBytesOf(message: object): Uint8Array | undefined {
  return rawBytes.get(message);
}

/** Deserializer of requests that returns every failure as a FedrotError instead of throwing it; `keepRaw` remembers the bytes. */
export function decodeRequest(method: Method, keepRaw = false): (bytes: Buffer) => Decoded<object> {
  return decoder(method, 'request', typeName(method, 'requestType'), (bytes) => {
    const message = method.requestDeserialize(bytes);
    if (keepRaw) rawBytes.set(message, bytes);
    return message;
  });
}

/** The same for responses, on the client. */
export function decodeResponse(method: Method): (bytes: Buffer) => Decoded<object> {
  return decoder(method, 'response', typeName(method, 'responseType'), (bytes) =>
    method.responseDeserialize(bytes),
  );
}

function decoder(
  method: Method,
  what: string,
  type: string,
  deserialize: (bytes: Buffer) => object,
): (bytes: Buffer) => Decoded<object> {
  return (bytes) => {
    try {
      const message = deserialize(bytes);
      requireSafeIntegers(message, type);
      return message;
    } catch (error) {
      if (error instanceof FedrotError) return error;
      return new FedrotError(
        'option_invalid',
        `${method.path}: the ${what} is no valid ${type}; do both sides speak the same protocol version?`,
        { cause: error },
      );
    }
  };
}

function typeName(method: Method, key: 'requestType' | 'responseType'): string {
  // proto-loader's definitions carry the descriptors, grpc-js' type of them does not say so.
  const { type } = (method as unknown as Record<typeof key, { readonly type: { readonly name: string } }>)[
    key
  ];
  return `fedrot.v1.${type.name}`;
}
