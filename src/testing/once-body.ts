import { bytesBody, type Body } from '../kernel/body.ts';

/** A body that can be piped once, as one that comes from a peer; `length` is what it says of itself. */
export function onceBody(bytes: Uint8Array, length: number | undefined): Body {
  const body = bytesBody(bytes);
  return { length, pipe: (sink) => body.pipe(sink), discard: (reason) => body.discard(reason) };
}
