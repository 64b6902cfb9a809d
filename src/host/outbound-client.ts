import { addressKind, isAddress, parseEgressDeny, type EgressDeny } from '../contracts/egress.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Address, Clock, Network, Ports } from '../kernel/ports.ts';

export interface OutboundClientOptions {
  readonly client: HttpClient;
  readonly network: Pick<Network, 'resolve'>;
  readonly clock: Clock;
  readonly deny: EgressDeny;
}

// Names are asked again after this long: a server that moves is followed, and a busy binding does not ask per request.
const keepMs = 10_000;
const namesMax = 1_000;

interface Known {
  readonly addresses: Promise<readonly string[]>;
  readonly askedMs: number;
}

/**
 * A client for servers outside of Proa, which apps, YAML and answers of other servers name. A name is resolved here, what it resolves to is
 * checked, and the connection goes to the checked addresses alone: a name cannot lead elsewhere between the check and the use (threat T14).
 * Fails with `permission-denied` when no address is left. Closing it leaves the client below open.
 */
export function createOutboundClient(options: OutboundClientOptions): HttpClient {
  const { client, clock, network, deny } = options;
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
  const checked = async (address: Address): Promise<Address> => {
    if ('path' in address) throw new ProaError('permission-denied', 'sockets of this machine are not called for apps');
    const host = address.host.replace(/^\[|\]$/g, '');
    if (isAddress(host)) {
      if (!allowed(host)) throw refused(host, [host]);
      return { host, port: address.port };
    }
    const found = await resolve(host).catch((cause: unknown) => {
      throw new ProaError('unavailable', `the name "${host}" cannot be resolved: ${(cause as Error).message}`, { cause });
    });
    const via = found.filter(allowed);
    if (via.length === 0) throw refused(host, found);
    return { host, port: address.port, via };
  };
  return {
    async request(request) {
      let address: Address;
      try {
        address = await checked(request.address);
      } catch (error) {
        request.body.discard(error);
        throw error;
      }
      return client.request({ ...request, address });
    },
    close: () => Promise.resolve(),
  };
}

/** The client as `PROA_EGRESS_DENY` wants it. Fails with `config.invalid` for a value that is not understood. */
export function outboundOf(ports: Pick<Ports, 'network' | 'clock' | 'process'>, client: HttpClient): HttpClient {
  let deny: EgressDeny;
  try {
    deny = parseEgressDeny(ports.process.env('PROA_EGRESS_DENY') ?? '');
  } catch (cause) {
    throw new ProaError('config.invalid', `PROA_EGRESS_DENY: ${(cause as Error).message}`, { cause });
  }
  return createOutboundClient({ client, network: ports.network, clock: ports.clock, deny });
}

function refused(host: string, found: readonly string[]): ProaError {
  const what = found.length === 1 && found[0] === host ? `"${host}"` : `"${host}" (${found.join(', ')})`;
  return new ProaError(
    'permission-denied',
    `${what} is not called: link-local and metadata addresses never are, others by PROA_EGRESS_DENY`,
  );
}
