import { describe, expect, it } from 'vitest';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeNetwork } from '../../ports/node/network.ts';
import { defaultHttp2Limits, type Http2Stream } from './http2.ts';
import { http2Codec } from './codec-setting.ts';
import { http2Transport } from './transport.ts';

const system = (value?: string) => ({ env: (name: string) => (name === 'PROA_HTTP2' ? value : undefined) });
const shared = { limits: defaultHttp2Limits, keepAlive: { intervalMs: 60_000, timeoutMs: 20_000 } };

describe('PROA_HTTP2', () => {
  it('names the codec, ours without it, and nothing else', () => {
    expect([undefined, '', 'proa', 'node'].map((value) => http2Codec(system(value)))).toEqual(['proa', 'proa', 'proa', 'node']);
    expect(() => http2Codec(system('nghttp2'))).toThrow(expect.objectContaining({ code: 'config.invalid' }));
  });

  it.each([
    ['proa', 'node'],
    ['node', 'proa'],
  ])('lets %s serve and %s ask', async (serving, asking) => {
    const ports = { clock: nodeClock, network: createNodeNetwork() };
    const server = await http2Transport({ ...ports, process: system(serving) }).serve({
      ...shared,
      address: { host: '127.0.0.1', port: 0 },
      stream: (stream: Http2Stream) => ({
        headers() {},
        data() {},
        end() {
          stream.sendHeaders([':status', '200']);
          stream.end(['x-served-by', serving]);
        },
        drain() {},
        close() {},
      }),
    });
    const address = server.address as { host: string; port: number };
    const session = await http2Transport({ ...ports, process: system(asking) }).connect({
      ...shared,
      address,
      timeoutMs: 5_000,
      closed() {},
    });
    const trailers = await new Promise((resolve) => {
      session.request(
        [':method', 'GET', ':scheme', 'http', ':authority', 'x', ':path', '/'],
        { headers() {}, data() {}, end: resolve, drain() {}, close() {} },
        true,
      );
    });
    expect(trailers).toEqual(['x-served-by', serving]);
    session.close();
    server.destroy();
  });
});
