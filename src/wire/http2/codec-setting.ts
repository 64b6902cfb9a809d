import { ProaError } from '../../kernel/errors.ts';
import type { Ports } from '../../kernel/ports.ts';

/** Which HTTP/2 is spoken: our own codec, or Node's module. */
export type Http2Codec = 'proa' | 'node';

/** The codec that the environment variable `PROA_HTTP2` names; ours without it. Fails with `config.invalid` for another name. */
export function http2Codec(system: Pick<Ports['process'], 'env'>): Http2Codec {
  const name = system.env('PROA_HTTP2') ?? '';
  if (name === '' || name === 'proa') return 'proa';
  if (name === 'node') return 'node';
  throw new ProaError('config.invalid', `PROA_HTTP2 is ${JSON.stringify(name.slice(0, 40))}`, {
    hint: 'set it to proa (the default) or node',
  });
}
