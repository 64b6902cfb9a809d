import type { HeaderList } from './http2.ts';

interface Kept {
  encoded: Buffer | undefined;
}

// Weak: a list that nobody holds any more takes its encoding with it.
const kept = new WeakMap<HeaderList, Kept>();

/**
 * Says that this list is sent again and again and never changes: it is encoded once. (Encoding does not depend on the connection: the encoder keeps no table.)
 * Returns the list.
 */
export function stableHeaders<T extends HeaderList>(headers: T): T {
  if (!kept.has(headers)) kept.set(headers, { encoded: undefined });
  return headers;
}

/** What is kept for a stable list; undefined for any other. */
export function keptOf(headers: HeaderList): Kept | undefined {
  return kept.get(headers);
}

/**
 * A translation of header lists that is made once per stable list: `translate` must depend on nothing but the list. Others are translated each time. The
 * results for stable lists are stable too.
 */
export function translated<T extends HeaderList>(translate: (headers: HeaderList) => T): (headers: HeaderList) => T {
  const made = new WeakMap<HeaderList, T>();
  return (headers) => {
    const found = made.get(headers);
    if (found !== undefined) return found;
    const result = translate(headers);
    if (kept.has(headers)) made.set(headers, stableHeaders(result));
    return result;
  };
}
