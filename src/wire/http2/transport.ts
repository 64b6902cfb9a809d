import type { Ports } from '../../kernel/ports.ts';
import { http2Codec } from './codec-setting.ts';
import type { Http2Transport } from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';

/** HTTP/2 by the codec that `PROA_HTTP2` names. Node's module is loaded when it is used. */
export function http2Transport(
  ports: Pick<Ports, 'clock' | 'network'> & { readonly process: Pick<Ports['process'], 'env'> },
): Http2Transport {
  if (http2Codec(ports.process) === 'proa') return createOwnHttp2(ports);
  const node = import('../node-http2/node-http2.ts').then(({ createNodeHttp2 }) => createNodeHttp2(ports.clock));
  return {
    serve: async (options) => (await node).serve(options),
    connect: async (options) => (await node).connect(options),
  };
}
