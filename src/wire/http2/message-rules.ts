import type { HeaderBlock, MessageVerdict } from './header-decoder.ts';

const hopByHop = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** Whether a request's header fields make a message (RFC 9113, sections 8.2 and 8.3). */
export function checkRequest(block: HeaderBlock): MessageVerdict {
  return (block.head ??= request(block));
}

/** The same for a response; informational ones included. */
export function checkResponse(block: HeaderBlock): MessageVerdict {
  return (block.head ??= response(block));
}

/** Trailers have no pseudo fields (section 8.1). */
export function checkTrailers(block: HeaderBlock): MessageVerdict {
  return (block.trailers ??= block.valid && pseudoFields(block.headers) === 0 ? regularFields(block.headers, 0) : false);
}

function request(block: HeaderBlock): MessageVerdict {
  const { headers } = block;
  const pseudo = pseudoFields(headers);
  let method: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  for (let i = 0; i < pseudo; i += 2) {
    const name = headers[i];
    const value = headers[i + 1] as string;
    if (name === ':method' && method === undefined) method = value;
    else if (name === ':scheme' && scheme === undefined) scheme = value;
    else if (name === ':path' && path === undefined) path = value;
    else if (name === ':authority' && authority === undefined) authority = value;
    else return false;
  }
  if (!block.valid || method === undefined || method === '') return false;
  const connects = method === 'CONNECT';
  if (connects ? scheme !== undefined || path !== undefined || authority === undefined : !scheme || !path) return false;
  return hostAgrees(headers, pseudo, authority) ? regularFields(headers, pseudo) : false;
}

// Policy and dispatch must not see two different hosts (section 8.3.1).
function hostAgrees(headers: readonly string[], from: number, authority: string | undefined): boolean {
  let host = authority;
  for (let i = from; i < headers.length; i += 2) {
    if (headers[i] !== 'host') continue;
    if (host !== undefined && host !== headers[i + 1]) return false;
    host = headers[i + 1];
  }
  return true;
}

function response(block: HeaderBlock): MessageVerdict {
  const { headers } = block;
  const status = headers[1] ?? '';
  if (!block.valid || pseudoFields(headers) !== 2 || headers[0] !== ':status') return false;
  // 101 has no meaning in HTTP/2 (section 8.6).
  return /^[1-5]\d\d$/.test(status) && status !== '101' ? regularFields(headers, 2) : false;
}

/** How many items of the list belong to the pseudo fields at its beginning. */
function pseudoFields(headers: readonly string[]): number {
  let i = 0;
  while (i < headers.length && (headers[i] as string).charCodeAt(0) === 0x3a) i += 2;
  return i;
}

function regularFields(headers: readonly string[], from: number): MessageVerdict {
  let contentLength = -1;
  for (let i = from; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name.charCodeAt(0) === 0x3a || hopByHop.has(name)) return false;
    if (name === 'te' && value !== 'trailers') return false;
    if (name !== 'content-length') continue;
    if (!/^\d{1,15}$/.test(value) || (contentLength !== -1 && contentLength !== Number(value))) return false;
    contentLength = Number(value);
  }
  return contentLength;
}
