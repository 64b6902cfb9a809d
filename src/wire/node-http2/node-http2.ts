import type { Clock } from '../../kernel/ports.ts';
import type { Http2Transport } from '../http2/http2.ts';
import { connectNodeHttp2 } from './node-http2-client.ts';
import { serveNodeHttp2 } from './node-http2-server.ts';

/** HTTP/2 by node:http2, which is loaded when the first server or connection is made. */
export function createNodeHttp2(clock: Clock): Http2Transport {
  return {
    serve: (options) => serveNodeHttp2(clock, options),
    connect: (options) => connectNodeHttp2(clock, options),
  };
}
