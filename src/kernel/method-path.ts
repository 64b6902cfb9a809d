/**
 * The canonical form of an invoked method (Dapr reference 6.4; GHSA-85gx-3qv6-4463): decoded once, cleaned, unable to leave its root. Access control and
 * dispatch see only this form, so they cannot disagree.
 */
export type MethodPath = { readonly path: string } | { readonly error: string };

// What may stand in a path as it is, so that the common case needs neither decoding nor cleaning.
const clean = /^[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*(\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*$/;

/** Canonical path without a leading slash, or why it is refused. `raw` is percent-encoded and without a query. */
export function canonicalMethod(raw: string): MethodPath {
  const relative = raw.charCodeAt(0) === 47 ? raw.slice(1) : raw;
  if (clean.test(relative)) return { path: relative };
  let decoded: string;
  try {
    decoded = relative.includes('%') ? decodeURIComponent(relative) : relative;
  } catch {
    return { error: 'the method holds a bad percent escape' };
  }
  for (let i = 0; i < decoded.length; i++) {
    const c = decoded.charCodeAt(i);
    if (c === 35 || c === 63 || c < 32 || c === 127)
      return { error: 'the method holds a character that is not allowed (#, ?, NUL or a control character)' };
  }
  return { path: cleanPath(decoded) };
}

/** Resolves `.`, `..` and empty segments lexically; `..` never leaves the root; a trailing slash goes, as daprd's apps see it. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') kept.pop();
    else kept.push(segment);
  }
  return kept.join('/');
}

/** The canonical path as a request target: what is not allowed in one is percent-encoded again. */
export function encodeMethodPath(path: string): string {
  return clean.test(path) ? path : path.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(?:21|24|26|27|28|29|2A|2B|2C|3A|3D|40)/g, (escaped) => decodeURIComponent(escaped));
}
