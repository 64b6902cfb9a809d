const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const value = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/** True for a `baggage` header as W3C Baggage defines it: members `key=value;property...` separated by commas, at most 8,192 bytes and 64 members. */
export function isBaggage(text: string): boolean {
  if (text.length > 8_192) return false;
  const members = text.split(',');
  return members.length <= 64 && members.every(isMember);
}

function isMember(member: string): boolean {
  const [pair = '', ...properties] = member.split(';');
  return isPair(pair, true) && properties.every((property) => isPair(property, false));
}

function isPair(text: string, valueRequired: boolean): boolean {
  const equals = text.indexOf('=');
  if (equals < 0) return !valueRequired && token.test(text.trim());
  return token.test(text.slice(0, equals).trim()) && value.test(text.slice(equals + 1).trim());
}
