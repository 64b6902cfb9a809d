import { nodeCrypto } from '../../../kernel/node-crypto.ts';

/** What a signature of a handed-on history is bound to, so that nobody can pass it off as another workflow's. */
export interface SignatureContext {
  readonly instanceId: string;
  readonly workflowName: string;
}

/** SHA-256 over the bytes of events in order, each behind its length. */
export function eventsDigest(events: Iterable<Uint8Array>): Buffer {
  const hash = nodeCrypto().createHash('sha256');
  for (const bytes of events) hash.update(lengthOf(bytes)).update(bytes);
  return hash.digest();
}

/**
 * The message whose SHA-256 is signed: the digest of the signature before (nothing for the first), that of the events, and the context where there is one (durabletask-go,
 * historysigning.SignatureInput).
 */
export function signatureMessage(previous: Uint8Array | undefined, events: Uint8Array, context?: SignatureContext): Buffer {
  const parts: Uint8Array[] = previous === undefined ? [events] : [previous, events];
  if (context !== undefined) {
    for (const text of [context.instanceId, context.workflowName]) {
      const bytes = Buffer.from(text, 'utf8');
      parts.push(lengthOf(bytes), bytes);
    }
  }
  return Buffer.concat(parts);
}

/** Length in 64 bits, big-endian. */
export function lengthOf({ length }: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 0);
  bytes.writeUInt32BE(length % 2 ** 32, 4);
  return bytes;
}
