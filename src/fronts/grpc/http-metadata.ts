/** Headers of HTTP as gRPC metadata and back (Dapr reference 6.1). */

// Headers that belong to one hop or to the framing; they travel under the prefix `dapr-`.
const permanent = new Set([
  ...[
    'accept',
    'accept-charset',
    'accept-language',
    'accept-ranges',
    'connection',
    'keep-alive',
    'proxy-connection',
    'transfer-encoding',
    'upgrade',
  ],
  ...[
    'cache-control',
    'content-type',
    'content-length',
    'cookie',
    'date',
    'expect',
    'from',
    'host',
    'if-match',
    'if-modified-since',
    'if-none-match',
  ],
  ...['if-schedule-tag-match', 'if-unmodified-since', 'max-forwards', 'origin', 'pragma', 'referer', 'via', 'warning'],
]);
// The client of each hop of gRPC names itself; an app behind HTTP sees who called.
const hopOnly = new Set(['user-agent', 'te', 'trailer', 'http2-settings', 'proxy-authorization', 'proxy-authenticate']);
const ownOfCall = new Set(['content-type', 'content-length', 'grpc-timeout']);
const metadataName = /^[0-9a-z_.-]+$/;
const metadataValue = /^[\x20-\x7e]*$/;

/** What cannot be on the wire of gRPC (other names, values that are not printable ASCII) is left out. */
export function metadataOfHttp(headers: readonly string[]): string[] {
  const metadata: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (hopOnly.has(name) || !metadataName.test(name) || name.endsWith('-bin') || !metadataValue.test(value)) continue;
    metadata.push(permanent.has(name) || name.startsWith('grpc-') ? `dapr-${name}` : name, value);
  }
  return metadata;
}

/** Binary values and pseudo headers stay behind, but for `:authority`, which gets the prefix `dapr-` as `grpc-*` does; the time limit travels with the call. */
export function httpOfMetadata(metadata: readonly string[]): string[] {
  const headers: string[] = [];
  for (let i = 0; i < metadata.length; i += 2) {
    const name = metadata[i] as string;
    const value = metadata[i + 1] as string;
    if (name.endsWith('-bin') || (hopOnly.has(name) && name !== 'user-agent') || ownOfCall.has(name)) continue;
    if (name === ':authority') headers.push('dapr-authority', value);
    else if (!name.startsWith(':')) headers.push(name.startsWith('grpc-') ? `dapr-${name}` : name, value);
  }
  return headers;
}
