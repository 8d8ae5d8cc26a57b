/** A response that is serialized already, for streams that send the same to many callers. */
export class Serialized {
  constructor(readonly bytes: Buffer) {}
}

/** A serializer that lets those through. */
export function serializeOnce<T extends object>(serialize: (message: T) => Buffer): (message: T) => Buffer {
  return (message) => (message instanceof Serialized ? message.bytes : serialize(message));
}
