import { addressKind, isAddress, parseEgressDeny, type EgressDeny } from '../contracts/egress.ts';
import { parseEgressAllow, type EgressAllow, type EgressTargets } from '../contracts/egress-allow.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Address, Clock, Network, Ports } from '../kernel/ports.ts';

export interface OutboundClientOptions {
  readonly client: HttpClient;
  readonly network: Pick<Network, 'resolve'>;
  readonly clock: Clock;
  readonly deny: EgressDeny;
  readonly allow: EgressAllow;
}

/**
 * Clients by who calls: the name of a component or HTTPEndpoint, or one of `egressOwners`. They share what they know of names. Closing one leaves the client
 * below open.
 */
export type OutboundClients = (owner: string) => HttpClient;

// Names are asked again after this long: a server that moves is followed, and a busy binding does not ask per request.
const keepMs = 10_000;
const namesMax = 1_000;

interface Known {
  readonly addresses: Promise<readonly string[]>;
  readonly askedMs: number;
}

/**
 * Clients for servers outside of Proa, which apps, YAML and answers of other servers name. A name is resolved here, what it resolves to is
 * checked, and the connection goes to the checked addresses alone: a name cannot lead elsewhere between the check and the use (threat T14).
 * Where a component has a list of what it may call, name or address must be on it, too. Fails with `permission-denied` when no address is left.
 */
export function createOutboundClients(options: OutboundClientOptions): OutboundClients {
  const { client, clock, network, deny, allow } = options;
  const names = new Map<string, Known>();

  const resolve = (host: string): Promise<readonly string[]> => {
    const known = names.get(host);
    if (known !== undefined && clock.mono() - known.askedMs < keepMs) return known.addresses;
    if (names.size >= namesMax) names.delete(names.keys().next().value as string);
    const asked: Known = { addresses: network.resolve(host), askedMs: clock.mono() };
    names.delete(host);
    names.set(host, asked);
    asked.addresses.catch(() => {
      if (names.get(host) === asked) names.delete(host);
    });
    return asked.addresses;
  };
  const allowed = (address: string): boolean => {
    const kind = addressKind(address);
    return kind !== 'forbidden' && (kind === 'public' || !deny.has(kind));
  };
  const checked = async (owner: string, address: Address): Promise<Address> => {
    if ('path' in address) throw new ProaError('permission-denied', 'sockets of this machine are not called for apps');
    const { port } = address;
    const host = address.host.replace(/^\[|\]$/g, '');
    const listed = allow.of(owner);
    if (isAddress(host)) {
      if (!allowed(host)) throw refused(host, [host]);
      if (listed?.address(host, port) === false) throw unlisted(owner, host, port);
      return { host, port };
    }
    const byName = listed === undefined || listed.name(host, port);
    // Asking for a name tells somebody of it, too.
    if (!byName && listed?.ranged === false) throw unlisted(owner, host, port);
    const found = await resolve(host).catch((cause: unknown) => {
      throw new ProaError('unavailable', `the name "${host}" cannot be resolved: ${(cause as Error).message}`, { cause });
    });
    const callable = found.filter(allowed);
    if (callable.length === 0) throw refused(host, found);
    const via = byName ? callable : callable.filter((each) => (listed as EgressTargets).address(each, port));
    if (via.length === 0) throw unlisted(owner, host, port);
    return { host, port, via };
  };
  return (owner) => ({
    async request(request) {
      let address: Address;
      try {
        address = await checked(owner, request.address);
      } catch (error) {
        request.body.discard(error);
        throw error;
      }
      return client.request({ ...request, address });
    },
    close: () => Promise.resolve(),
  });
}

/** The clients as `PROA_EGRESS_DENY` and `PROA_EGRESS_ALLOW` want them. Fails with `config.invalid` for a value that is not understood. */
export function outboundOf(ports: Pick<Ports, 'network' | 'clock' | 'process'>, client: HttpClient): OutboundClients {
  const read = <T>(name: string, parse: (text: string) => T): T => {
    try {
      return parse(ports.process.env(name) ?? '');
    } catch (cause) {
      throw new ProaError('config.invalid', `${name}: ${(cause as Error).message}`, { cause });
    }
  };
  const deny: EgressDeny = read('PROA_EGRESS_DENY', parseEgressDeny);
  const allow = read('PROA_EGRESS_ALLOW', parseEgressAllow);
  return createOutboundClients({ client, network: ports.network, clock: ports.clock, deny, allow });
}

function refused(host: string, found: readonly string[]): ProaError {
  const what = found.length === 1 && found[0] === host ? `"${host}"` : `"${host}" (${found.join(', ')})`;
  return new ProaError(
    'permission-denied',
    `${what} is not called: link-local and metadata addresses never are, others by PROA_EGRESS_DENY`,
  );
}

function unlisted(owner: string, host: string, port: number): ProaError {
  return new ProaError('permission-denied', `${host}:${port} is not called for "${owner}": PROA_EGRESS_ALLOW does not list it`);
}
