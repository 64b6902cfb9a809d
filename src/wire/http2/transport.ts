import { ProaError } from '../../kernel/errors.ts';
import type { Ports } from '../../kernel/ports.ts';
import type { Http2Transport } from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';

/** Which HTTP/2 is spoken: our own codec, or Node's module. */
export type Http2Codec = 'proa' | 'node';

/** The codec that the environment variable `PROA_HTTP2` names; ours without it. Fails with `config.invalid` for another name. */
export function http2Codec(process: Pick<Ports['process'], 'env'>): Http2Codec {
  const name = process.env('PROA_HTTP2') ?? '';
  if (name === '' || name === 'proa') return 'proa';
  if (name === 'node') return 'node';
  throw new ProaError('config.invalid', `PROA_HTTP2 is ${JSON.stringify(name.slice(0, 40))}`, {
    hint: 'set it to proa (the default) or node',
  });
}

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
