import { nodeCrypto } from './node-crypto.ts';
import type { Secret } from './secret.ts';

/** Compares a presented token with the configured ones in constant time: both sides are hashed first, so lengths do not show (T7). */
export function createTokenCheck(tokens: readonly Secret[]): (presented: string | undefined) => boolean {
  const expected = tokens
    .map((token) => token.reveal())
    .filter((token) => token !== '')
    .map(digest);
  if (expected.length === 0) return () => true;
  return (presented) => {
    const actual = digest(presented ?? '');
    let equal = false;
    for (const token of expected) equal = nodeCrypto().timingSafeEqual(actual, token) || equal;
    return equal;
  };
}

function digest(token: string): Buffer {
  return nodeCrypto().createHash('sha256').update(token, 'utf8').digest();
}
