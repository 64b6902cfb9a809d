/**
 * What counts as one client: an IPv4 address, the first 64 bits of an IPv6 one (a household can use all the others), or a socket's path. `remote` is `host:port`,
 * the host of IPv6 with or without brackets.
 */
export function clientKey(remote: string): string {
  const colon = remote.lastIndexOf(':');
  if (colon < 0) return remote;
  const host = remote
    .slice(0, colon)
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
    .toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(host);
  if (mapped !== null) return mapped[1] as string;
  if (!host.includes(':')) return host;
  const [head = '', tail] = host.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after];
  return `${all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
