import type { HttpFrontOptions } from '../fronts/http/server.ts';
import type { Owner } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { lazyServer } from './lazy-listener.ts';

export interface Http2FrontOptions {
  readonly ports: Pick<Ports, 'clock' | 'network' | 'process'>;
  readonly log: Logger;
  readonly headerBytesMax: number;
  readonly graceMs: number;
}

/**
 * HTTP/2 with prior knowledge on a port of the HTTP API, unless `DAPR_HTTP_DISABLE_H2C` is true (Dapr reference 2). Each listener has a server of its own, for
 * its own handler; the codec is loaded with the first connection that speaks it.
 */
export function http2Front(options: Http2FrontOptions, owner: Owner): Pick<HttpFrontOptions, 'http2'> {
  const { ports, log, headerBytesMax, graceMs } = options;
  if (ports.process.env('DAPR_HTTP_DISABLE_H2C') === 'true') return {};
  return {
    http2(handler) {
      const server = lazyServer(async () => {
        const { serveHttp2Requests } = await import('../wire/http2/request-server.ts');
        const onError = (error: unknown): void => log.error('a request handler failed', { error: String(error) });
        return serveHttp2Requests({ clock: ports.clock, network: ports.network, headerBytesMax, handler, onError });
      });
      owner.own('HTTP API over HTTP/2', () => server.drain(), graceMs);
      return (connection, first) => server.accept(connection, first);
    },
  };
}
