import type { Metadata } from '../../contracts/state.ts';

// The client writes these; a caller's would break the framing or the connection.
const ownedByClient = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'upgrade',
  'te',
  'trailer',
  'expect',
]);
const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const json = 'application/json; charset=utf-8';

export interface HeaderSource {
  readonly metadata: Metadata;
  readonly hasBody: boolean;
  readonly security?: { readonly name: string; readonly value: string };
}

/**
 * Headers of the request, flat and in lower case: metadata whose names begin with a capital letter, defaults for what they leave out, the component's token, and
 * the caller's trace, which nothing can replace. Fails with an Error for names and values that HTTP does not allow.
 */
export function requestHeaders({ metadata, hasBody, security }: HeaderSource): string[] {
  const headers = new Map<string, string>();
  if (hasBody) headers.set('content-type', json);
  headers.set('accept', json);
  if (security !== undefined) headers.set(security.name.toLowerCase(), security.value);
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[A-Z]/.test(name)) continue;
    if (!token.test(name)) throw new Error(`metadata ${JSON.stringify(name)} is not a header name`);
    if (/[\0\r\n]/.test(value)) throw new Error(`the value of header ${name} holds a line break or NUL`);
    const lower = name.toLowerCase();
    if (!ownedByClient.has(lower)) headers.set(lower, value);
  }
  for (const name of ['traceparent', 'tracestate', 'baggage']) {
    const value = metadata[name];
    if (value !== undefined && value !== '' && !/[\0\r\n]/.test(value)) headers.set(name, value);
  }
  return [...headers].flat();
}

/** A header's name as Go writes it in metadata: `content-type` becomes `Content-Type`. */
export function canonicalName(name: string): string {
  return name.replace(/(^|-)([a-z])/g, (_match, before: string, letter: string) => before + letter.toUpperCase());
}
