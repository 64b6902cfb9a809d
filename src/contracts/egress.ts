/** What an address is, as far as it matters to whom a runtime may call for its apps (threat T14). */
export type AddressKind =
  /** Where machines hand out their credentials, and groups that are no server at all. Never called. */
  'forbidden' | 'loopback' | 'private' | 'public';

/** Kinds that a machine's owner refuses on top of what is always refused. */
export type EgressDeny = ReadonlySet<'loopback' | 'private'>;

/** Reads `PROA_EGRESS_DENY`: a comma list of `loopback` and `private`. Fails with an Error for any other word. */
export function parseEgressDeny(text: string): EgressDeny {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  return new Set(
    words.map((word) => {
      if (word === 'loopback' || word === 'private') return word;
      throw new Error(`"${word}" is neither loopback nor private`);
    }),
  );
}

/** True for what the URL parser leaves of an IP address; false for a name. */
export function isAddress(host: string): boolean {
  return /^[\d.]+$|:/.test(host);
}

/** The kind of an IP address in any of its spellings; IPv6 addresses that carry an IPv4 one are judged by that. What is no address is forbidden. */
export function addressKind(address: string): AddressKind {
  const text = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (text.includes(':')) return kindOfV6(groupsOf(text));
  const parts = text.split('.').map(Number);
  const sound = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256);
  return sound ? kindOfV4(parts[0] as number, parts[1] as number, text) : 'forbidden';
}

function kindOfV4(first: number, second: number, text: string): AddressKind {
  // Multicast, reserved, broadcast, link-local, and Alibaba's metadata service, which lies in a private range.
  if (first >= 224 || (first === 169 && second === 254) || text === '100.100.100.200') return 'forbidden';
  // 0.0.0.0 reaches this machine, too.
  if (first === 127 || first === 0) return 'loopback';
  if (first === 10 || (first === 172 && second >= 16 && second < 32) || (first === 192 && second === 168)) return 'private';
  return first === 100 && second >= 64 && second < 128 ? 'private' : 'public';
}

function kindOfV6(groups: readonly number[] | undefined): AddressKind {
  if (groups === undefined) return 'forbidden';
  const embedded = embeddedV4(groups);
  if (embedded !== undefined) return addressKind(embedded);
  const first = groups[0] as number;
  if (groups.slice(0, 7).every((group) => group === 0)) return 'loopback';
  // Link-local, multicast, and the metadata service of EC2.
  if ((first & 0xffc0) === 0xfe80 || first >= 0xff00) return 'forbidden';
  if (first === 0xfd00 && groups[1] === 0xec2 && groups[7] === 0x254) return 'forbidden';
  return (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfec0 ? 'private' : 'public';
}

// IPv4-mapped and -compatible, NAT64 and 6to4 (RFC 4291, 6052, 3056).
function embeddedV4(groups: readonly number[]): string | undefined {
  const zeros = (from: number, to: number): boolean => groups.slice(from, to).every((group) => group === 0);
  const mapped = zeros(0, 5) && (groups[5] === 0xffff || (groups[5] === 0 && groups[6] !== 0));
  const nat64 = groups[0] === 0x64 && groups[1] === 0xff9b && zeros(2, 6);
  if (mapped || nat64) return dotted(groups[6] as number, groups[7] as number);
  return groups[0] === 0x2002 ? dotted(groups[1] as number, groups[2] as number) : undefined;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** An address as the eight groups of IPv6, an IPv4 one as its mapped form; every spelling of an address gives the same. Undefined: it is none. */
export function addressGroups(address: string): readonly number[] | undefined {
  const text = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (text.includes(':')) return groupsOf(text);
  const parts = text.split('.').map(Number);
  const sound = parts.length === 4 && text !== '' && parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256);
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  return sound ? [0, 0, 0, 0, 0, 0xffff, (a << 8) | b, (c << 8) | d] : undefined;
}

// The URL parser knows every spelling and writes one: lower case, `::` for the longest run of zeros, no dotted tail.
function groupsOf(text: string): number[] | undefined {
  if (!URL.canParse(`http://[${text}]`)) return undefined;
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}
