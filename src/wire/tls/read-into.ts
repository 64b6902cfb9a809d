import type tls from 'node:tls';

interface Internals {
  readonly _handle?: { useUserBuffer?(buffer: Uint8Array): void } | null;
  [state: symbol]: unknown;
}

/**
 * Lets an accepted socket read into `buffer`, as Node's option `onread` does for sockets that are dialled: no memory and no stream event for each read. `taken` is told how many
 * bytes lie there; they are good until it returns. What was read before comes first. Node has no such option for sockets that a TLS server accepts: what it would set is set here, and
 * where a part of that is missing the answer is false and nothing has changed.
 */
export function readInto(socket: tls.TLSSocket, buffer: Buffer, taken: (bytes: Buffer) => void): boolean {
  const internals = socket as unknown as Internals;
  const states = new Map(Object.getOwnPropertySymbols(internals).map((symbol) => [symbol.description, symbol]));
  const [into, told, next] = [states.get('kBuffer'), states.get('kBufferCb'), states.get('kBufferGen')];
  if (into === undefined || told === undefined || next === undefined || internals[into] !== null || internals[next] !== null) return false;
  const handle = internals._handle;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  const early = socket.read() as Buffer | null;
  internals[into] = buffer;
  internals[told] = (count: number): boolean => {
    taken(buffer.subarray(0, count));
    return true;
  };
  handle.useUserBuffer(buffer);
  if (early !== null) taken(early);
  return true;
}
