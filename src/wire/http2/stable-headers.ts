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
 * What is made of header lists once per stable list: `make` must depend on nothing but the list. For others it is made each time, but not twice in a row: those who
 * serve a request ask about its headers one after the other. What `make` throws is not remembered.
 */
export function perList<T extends object>(make: (headers: HeaderList) => T): (headers: HeaderList) => T {
  const made = new WeakMap<HeaderList, T>();
  let last: HeaderList | undefined;
  let lastMade: T | undefined;
  return (headers) => {
    if (headers === last) return lastMade as T;
    let result = made.get(headers);
    if (result === undefined) {
      result = make(headers);
      if (kept.has(headers)) made.set(headers, result);
    }
    last = headers;
    lastMade = result;
    return result;
  };
}

/** A translation of header lists, as `perList`. The results for stable lists are stable too. */
export function translated<T extends HeaderList>(translate: (headers: HeaderList) => T): (headers: HeaderList) => T {
  return perList((headers) => {
    const result = translate(headers);
    return kept.has(headers) ? stableHeaders(result) : result;
  });
}
