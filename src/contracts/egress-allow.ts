import { addressGroups, isAddress } from './egress.ts';

/** Who calls that has no component: URLs that apps name in place of an app id, and what policies fetch. */
export const egressOwners = { urls: '@urls', policies: '@policies' } as const;

/** What one component may call. */
export interface EgressTargets {
  /** True when the name that was asked for is listed. */
  name(host: string, port: number): boolean;
  /** True when the address is, by itself or in a range. */
  address(address: string, port: number): boolean;
  /** False: only names are listed, so that others need not be resolved. */
  readonly ranged: boolean;
}

/** Lists by component. */
export interface EgressAllow {
  /** The list of a component, or that of everybody; undefined: it may call whatever is not denied. */
  of(owner: string): EgressTargets | undefined;
}

interface Target {
  readonly port: number | undefined;
  /** Lower case; for `*.suffix` only the suffix with its dot, and `below` is true. */
  readonly name?: string;
  readonly below?: boolean;
  readonly range?: { readonly groups: readonly number[]; readonly bits: number };
}

const ownersMax = 1_000;
const targetsMax = 1_000;

/**
 * Reads `PROA_EGRESS_ALLOW`: lists separated by semicolons or line breaks, each `component=target,target ...`. A target is a name, `*.name` for every
 * name below it, an address or a range (`10.0.0.0/8`), with `:port` when only that port is meant (IPv6 in brackets then). `*` stands for components
 * without a list of their own; an empty list allows nothing. Fails with an Error that shows what is wrong.
 */
export function parseEgressAllow(text: string): EgressAllow {
  const lists = new Map<string, EgressTargets>();
  for (const list of text.split(/[;\n]/)) {
    if (list.trim() === '') continue;
    const at = list.indexOf('=');
    const owner = list.slice(0, Math.max(at, 0)).trim();
    if (owner === '') throw new Error(`"${list.trim()}" has no component before its "="`);
    if (lists.has(owner)) throw new Error(`"${owner}" has two lists`);
    if (lists.size >= ownersMax) throw new Error(`it has more than ${ownersMax} lists`);
    lists.set(owner, targetsOf(list.slice(at + 1)));
  }
  const everybody = lists.get('*');
  return { of: (owner) => lists.get(owner) ?? everybody };
}

function targetsOf(text: string): EgressTargets {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length > targetsMax) throw new Error(`a list has more than ${targetsMax} targets`);
  const targets = words.map(targetOf);
  const fits = (target: Target, port: number): boolean => target.port === undefined || target.port === port;
  return {
    ranged: targets.some(({ range }) => range !== undefined),
    name(host, port) {
      const asked = nameOf(host);
      return targets.some((target) => fits(target, port) && target.name !== undefined && namedBy(target, target.name, asked));
    },
    address(address, port) {
      const groups = addressGroups(address);
      if (groups === undefined) return false;
      return targets.some((target) => fits(target, port) && target.range !== undefined && within(groups, target.range));
    },
  };
}

function targetOf(word: string): Target {
  // `[v6]`, `[v6]:port`; a bare IPv6 address or range has more than one colon; everything else may end with a port.
  const parts = /^\[([^\]]*)\](?::(\d+))?$/.exec(word) ?? (word.split(':').length > 2 ? [word, word] : /^([^:]*)(?::(\d+))?$/.exec(word));
  const wrong = new Error(`"${word}" is no name, address or range, with or without a port`);
  if (parts === null) throw wrong;
  const [, host = '', digits] = parts;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) throw new Error(`"${word}" has no port from 1 to 65535`);
  const [base = '', size] = host.split('/', 2);
  if (isAddress(base)) return { port, range: rangeOf(base, size, wrong) };
  const below = host.startsWith('*.');
  const name = nameOf(below ? host.slice(2) : host);
  if (!/^[\p{L}\p{N}_]([\p{L}\p{N}_.-]*[\p{L}\p{N}_])?$/u.test(name)) throw wrong;
  return { port, name: below ? `.${name}` : name, below };
}

function rangeOf(base: string, size: string | undefined, wrong: Error): NonNullable<Target['range']> {
  const groups = addressGroups(base);
  const wide = base.includes(':');
  const most = wide ? 128 : 32;
  const bits = size === undefined ? most : Number(size);
  if (groups === undefined || (size !== undefined && !/^\d{1,3}$/.test(size)) || bits > most) throw wrong;
  // IPv4 addresses are kept as IPv6 addresses that hold them.
  return { groups, bits: wide ? bits : bits + 96 };
}

function within(groups: readonly number[], range: NonNullable<Target['range']>): boolean {
  let left = range.bits;
  for (let i = 0; i < 8 && left > 0; i++, left -= 16) {
    const shift = Math.max(0, 16 - left);
    if ((groups[i] as number) >> shift !== (range.groups[i] as number) >> shift) return false;
  }
  return true;
}

function namedBy({ below }: Target, name: string, asked: string): boolean {
  return below === true ? asked.length > name.length && asked.endsWith(name) : asked === name;
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
