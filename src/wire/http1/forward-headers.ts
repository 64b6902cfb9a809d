/**
 * The headers that pass an intermediary: without those of one connection (RFC 9110, 7.6.1), those that a Connection header
 * names, and the framing, which the codec writes anew. Names must be in lower case, as the parser gives them. `host` passes too.
 */
export function forwardHeaders(headers: readonly string[]): string[] {
  const forwarded: string[] = [];
  let named: string[] | undefined = undefined;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (hopByHop(name)) {
      if (name === 'connection') named = namedBy(headers[i + 1] as string, named);
    } else forwarded.push(name, headers[i + 1] as string);
  }
  return named === undefined ? forwarded : without(forwarded, named);
}

function hopByHop(name: string): boolean {
  switch (name.length) {
    case 2:
      return name === 'te';
    case 7:
      return name === 'upgrade' || name === 'trailer';
    case 10:
      return name === 'connection' || name === 'keep-alive';
    case 14:
      return name === 'content-length';
    case 16:
      return name === 'proxy-connection';
    case 17:
      return name === 'transfer-encoding';
    case 18:
      return name === 'proxy-authenticate';
    case 19:
      return name === 'proxy-authorization';
    default:
      return false;
  }
}

/** The tokens of a Connection header that name other headers; undefined for what nearly all of them say. */
function namedBy(value: string, before: string[] | undefined): string[] | undefined {
  if (value === 'keep-alive' || value === 'close') return before;
  const tokens = value
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
  return [...(before ?? []), ...tokens];
}

function without(headers: string[], named: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    // A client must not be able to strip what others rely on: routing stays.
    if (!named.includes(headers[i] as string) || headers[i] === 'host') kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}
