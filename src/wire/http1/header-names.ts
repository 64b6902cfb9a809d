/**
 * Names that most messages carry. Finding one costs no allocation, and names that come from here compare by pointer.
 * The list is an optimisation only: any other name is sliced and lower-cased.
 */
const common = [
  'accept', 'accept-encoding', 'accept-language', 'authorization', 'cache-control', 'connection', 'content-encoding',
  'content-length', 'content-type', 'cookie', 'dapr-api-token', 'dapr-app-id', 'date', 'etag', 'expect', 'host', 'if-match',
  'if-none-match', 'keep-alive', 'last-modified', 'location', 'metadata.ttlinseconds', 'origin', 'referer', 'server', 'set-cookie',
  'te', 'traceparent', 'tracestate', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent', 'vary', 'x-forwarded-for',
  'x-request-id', 'sec-fetch-mode', 'baggage', 'grpc-trace-bin',
]; // prettier-ignore

const slots = 512;
const names: (string | undefined)[] = Array.from({ length: slots }, () => undefined);
for (const name of common) {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) | 0;
  names[hash & (slots - 1)] ??= name;
}

/**
 * The lower-case name in `bytes[start, end)` if it is a common one. `hash` is `hash * 31 + (byte | 0x20)` over its bytes, which
 * must all be token bytes (the comparison folds case with the same mask, exact for letters, digits and `-`).
 */
export function commonName(bytes: Uint8Array, start: number, end: number, hash: number): string | undefined {
  const name = names[hash & (slots - 1)];
  if (name === undefined || name.length !== end - start) return undefined;
  for (let i = 0; i < name.length; i++) if (((bytes[start + i] as number) | 0x20) !== name.charCodeAt(i)) return undefined;
  return name;
}
