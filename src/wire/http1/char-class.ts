/** Classes of bytes as tables: one look per byte instead of a chain of comparisons. */

/** Set in `nameClass` for every byte of a token (RFC 9110, 5.6.2). */
export const nameByte = 1;
/** Set in `nameClass` for upper-case letters. */
export const nameUpper = 2;
/** Set in `nameClass` for the underscore. */
export const nameUnderscore = 4;

/** 0 for bytes that cannot stand in a token, else `nameByte` and what else is known about the byte. */
export const nameClass = table((byte) => {
  const digit = byte >= 0x30 && byte <= 0x39;
  const upper = byte >= 0x41 && byte <= 0x5a;
  const lower = byte >= 0x61 && byte <= 0x7a;
  if (upper) return nameByte | nameUpper;
  if (byte === 0x5f) return nameByte | nameUnderscore;
  return digit || lower || "!#$%&'*+-.^`|~".includes(String.fromCharCode(byte)) ? nameByte : 0;
});

/** 1 for bytes that can stand in a header value: visible ones, space, tab, and those above ASCII. */
export const valueClass = table((byte) => (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0));

/**
 * 1 for bytes of a request target, 2 for the question mark. Visible ASCII without `#`: applications use `|`, `{` and the like
 * unescaped; what they mean is decided where the path is made canonical.
 */
export const targetClass = table((byte) => (byte === 0x3f ? 2 : byte > 0x20 && byte < 0x7f && byte !== 0x23 ? 1 : 0));

/** 1 for bytes of a Host header: letters, digits and the marks of names, ports and IPv6 literals. */
export const hostClass = table((byte) => (/[A-Za-z0-9._~:[\]%!$&'()*+;=-]/.test(String.fromCharCode(byte)) ? 1 : 0));

/** The value of a hexadecimal digit, 255 for everything else. */
export const hexValue = table((byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

function table(classOf: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => classOf(byte));
}
