import type { Owner } from '../kernel/lifecycle.ts';
import type { Ports } from '../kernel/ports.ts';
import { serveHttp1 } from '../wire/http1/server.ts';
import { listening, portOf } from './bound-port.ts';

export interface MetricsPortOptions {
  readonly ports: Ports;
  readonly port: number;
  /** Empty: loopback. */
  readonly listenAddress: string;
  readonly print: (format: 'prometheus' | 'openmetrics') => Promise<string>;
}

/** Serves metrics, in the format that is asked for; answers the bound port. */
export async function openMetricsPort({ ports, port, listenAddress, print }: MetricsPortOptions, owner: Owner): Promise<number> {
  const address = { host: listenAddress === '' ? '127.0.0.1' : listenAddress, port };
  const server = await listening(
    () =>
      serveHttp1({
        network: ports.network,
        clock: ports.clock,
        address,
        handler(request, response) {
          request.body.discard();
          const open = request.header('accept')?.includes('application/openmetrics-text') === true;
          const type = open ? 'application/openmetrics-text; version=1.0.0; charset=utf-8' : 'text/plain; version=0.0.4; charset=utf-8';
          print(open ? 'openmetrics' : 'prometheus').then(
            (text) => response.send(200, ['content-type', type], text),
            (error: unknown) => response.send(500, ['content-type', 'text/plain'], `the metrics cannot be printed: ${String(error)}`),
          );
        },
      }),
    address,
  );
  owner.own('metrics', () => server.close());
  return portOf(server.address);
}
