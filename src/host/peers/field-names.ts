import { ownText } from '../../kernel/flat-text.ts';

const keptMax = 1024;
const valid = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** The names that a connection's calls repeat, checked once: lower-case tokens, pseudo headers among them. */
const known = new Set<string>();

/** True for a header name as it may come from a peer: in lower case, so that no spelling passes a comparison. */
export function isFieldName(name: string): boolean {
  if (known.has(name)) return true;
  if (!valid.test(name)) return false;
  if (known.size < keptMax) known.add(ownText(name));
  return true;
}
