import type { HttpClient, HttpClientRequest } from '../contracts/http-client.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Ports } from '../kernel/ports.ts';
import { createHttp1Client, type Http1Client } from '../wire/http1/client.ts';

/** The client that apps of one process share: one pool of connections per address, TLS loaded when it is first needed. */
export function createHttpClient({ ports }: { readonly ports: Pick<Ports, 'network' | 'clock'> }): HttpClient {
  const plain = createHttp1Client({ network: ports.network, clock: ports.clock });
  const secure = new Map<string, Promise<Http1Client>>();
  return {
    request(request) {
      const { tls } = request;
      if (tls === undefined) return plain.request(request.address, request);
      return secureClient(ports, secure, tls).then((client) => client.request(request.address, request));
    },
    async close() {
      plain.close();
      for (const client of secure.values()) (await client).close();
    },
  };
}

// Different TLS parameters need different pools; a handful of them exist.
const secureMax = 256;

function secureClient(
  ports: Pick<Ports, 'clock'>,
  clients: Map<string, Promise<Http1Client>>,
  tls: NonNullable<HttpClientRequest['tls']>,
): Promise<Http1Client> {
  const id = JSON.stringify(tls);
  let client = clients.get(id);
  if (client === undefined) {
    if (clients.size >= secureMax)
      return Promise.reject(
        new ProaError('overloaded', `more than ${secureMax} kinds of TLS connections are in use`, { refusedAt: 'caller' }),
      );
    client = import('../wire/tls/network.ts').then(({ createTlsNetwork }) =>
      createHttp1Client({ network: createTlsNetwork(tls), clock: ports.clock }),
    );
    clients.set(id, client);
  }
  return client;
}
