import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { FedrotError } from '../errors.js';
import { adaptClientStream, adaptServerStream, adaptUnary, type Adapting } from './adapt-handler.js';
import { decodeRequest } from './decode.js';
import { handlerName, type Method, type Service } from './protos.js';
import { serializeOnce } from './serialized.js';

export type LooseHandlers = Readonly<Record<string, (...args: never[]) => unknown>>;

/** Wraps every handler of a service for grpc-js; a missing one is a programming error found at once. */
export function implementation(
  { name, methods }: Service,
  handlers: LooseHandlers,
  adaptingOf: (key: string, method: string) => Adapting,
  keepRaw: boolean,
): { definition: ServiceDefinition; handlers: UntypedServiceImplementation } {
  const adapted: UntypedServiceImplementation = {};
  const decoding: Record<string, Method> = {};
  for (const [key, method] of Object.entries(methods)) {
    const methodName = handlerName(key);
    const handler = handlers[methodName];
    if (handler === undefined) throw new FedrotError('internal', `${name} has no handler for ${methodName}`);
    const bound = handler.bind(handlers);
    const adapt = method.requestStream
      ? adaptClientStream
      : method.responseStream
        ? adaptServerStream
        : adaptUnary;
    adapted[key] = adapt(bound as never, adaptingOf(key, methodName)) as UntypedServiceImplementation[string];
    decoding[key] = {
      ...method,
      requestDeserialize: decodeRequest(method, keepRaw),
      responseSerialize: serializeOnce(method.responseSerialize),
    };
  }
  return { definition: decoding, handlers: adapted };
}
