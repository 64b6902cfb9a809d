import { isIP, type LookupFunction } from 'node:net';
import type { Address } from '../../kernel/ports.ts';

/** What `net.connect` and `tls.connect` take for an address. With `via` nothing is resolved; Node races the address families over what was given. */
export function pinnedTarget(address: Address): object {
  if ('path' in address || address.via === undefined) return address;
  const { host, port, via } = address;
  const found = via.map((each) => ({ address: each, family: isIP(each) }));
  const lookup: LookupFunction = (_host, options, callback) => {
    const first = found[0] as { address: string; family: number };
    if (options.all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
  return { host, port, lookup };
}
