import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodePorts } from '../ports/node/index.ts';
import { createHttpClient } from '../host/http-client.ts';
import { createHttpSender } from './http-sender.ts';
import { otlpMessage } from './otlp-message.ts';
import { spanEncoding, type SpanEncodingName } from './span-encodings.ts';
import type { SpanSender } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const root: FinishedSpan = {
  traceId,
  spanId: 'b7ad6b7169203331',
  parentSpanId: '',
  traceState: 'x=y',
  name: 'CallLocal/b/m',
  kind: 'server',
  startNs: 1_700_000_000_123_456_789n,
  endNs: 1_700_000_000_223_456_789n,
  ok: false,
  attributes: [
    ['a', 'é'],
    ['port', 3500],
    ['half', 0.5],
  ],
};
const child: FinishedSpan = {
  ...root,
  spanId: 'b7ad6b7169203332',
  parentSpanId: root.spanId,
  traceState: '',
  kind: 'internal',
  ok: true,
  endNs: root.startNs + 10n,
  attributes: [],
};

interface Export {
  readonly url: string | undefined;
  readonly contentType: string | undefined;
  readonly key: string | string[] | undefined;
  readonly body: Buffer;
}

let server: Server;
let got: Export[];
let answer: { status: number; body: string | Buffer };
const http = createHttpClient({ ports: nodePorts() });

beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { 'content-type': contentType, 'x-key': key } = request.headers;
      got.push({ url: request.url, contentType, key, body: Buffer.concat(parts) });
      response.writeHead(answer.status).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
beforeEach(() => {
  got = [];
  answer = { status: 200, body: '' };
});
afterAll(async () => {
  await http.close();
  server.closeAllConnections();
  server.close();
});

function sender(encoding: SpanEncodingName): SpanSender {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces?a=b`;
  const target = { url, headers: ['x-key', 'k'], timeoutMs: 5_000 };
  return createHttpSender(target, http, spanEncoding(encoding, { 'service.name': 'app' }, '1.2.3'));
}

describe('spans over HTTP', () => {
  it('go as OTLP in protobuf', async () => {
    await sender('otlp-protobuf').send([root, child]);
    const body = Buffer.from(otlpMessage([root, child], { 'service.name': 'app' }, '1.2.3'));
    expect(got).toEqual([{ url: '/v1/traces?a=b', contentType: 'application/x-protobuf', key: 'k', body }]);
  });

  it('go as OTLP in JSON: ids in hex, large numbers as texts', async () => {
    await sender('otlp-json').send([root, child]);
    expect(got[0]).toMatchObject({ url: '/v1/traces?a=b', contentType: 'application/json', key: 'k' });
    const times = { startTimeUnixNano: '1700000000123456789', endTimeUnixNano: '1700000000223456789' };
    const attributes = [
      { key: 'a', value: { stringValue: 'é' } },
      { key: 'port', value: { intValue: '3500' } },
      { key: 'half', value: { doubleValue: 0.5 } },
    ];
    const name = 'CallLocal/b/m';
    expect(JSON.parse(String(got[0]?.body))).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'app' } }] },
          scopeSpans: [
            {
              scope: { name: 'proa', version: '1.2.3' },
              spans: [
                { traceId, spanId: root.spanId, traceState: 'x=y', name, kind: 2, ...times, attributes, status: { code: 2 } },
                {
                  traceId,
                  spanId: child.spanId,
                  parentSpanId: root.spanId,
                  name,
                  kind: 1,
                  startTimeUnixNano: times.startTimeUnixNano,
                  endTimeUnixNano: '1700000000123456799',
                  attributes: [],
                  status: {},
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it("go as Zipkin's JSON: microseconds, no duration of nothing, tags as texts", async () => {
    await sender('zipkin').send([root, child]);
    expect(got[0]?.contentType).toBe('application/json');
    const name = 'CallLocal/b/m';
    const localEndpoint = { serviceName: 'app' };
    const timestamp = 1_700_000_000_123_456;
    const tags = { a: 'é', port: '3500', half: '0.5', error: 'true' };
    expect(JSON.parse(String(got[0]?.body))).toEqual([
      { traceId, id: root.spanId, kind: 'SERVER', name, timestamp, duration: 100_000, localEndpoint, tags },
      { traceId, id: child.spanId, parentId: root.spanId, name, timestamp, duration: 1, localEndpoint, tags: {} },
    ]);
  });

  it('fail with what the collector answered, or did not take', async () => {
    const partial = Buffer.concat([Buffer.from([10, 8, 8, 1, 18, 4]), Buffer.from('full')]);
    answer = { status: 200, body: partial };
    await expect(sender('otlp-protobuf').send([root, child])).rejects.toThrow('the collector refused 1 of 2 spans: full');
    answer = { status: 200, body: '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"full"}}' };
    await expect(sender('otlp-json').send([root, child])).rejects.toThrow('the collector refused 2 of 2 spans: full');
    answer = { status: 200, body: '{"partialSuccess":{}}' };
    await sender('otlp-json').send([root]);
    answer = { status: 200, body: 'no JSON' };
    await expect(sender('otlp-json').send([root])).rejects.toThrow();
    await expect(sender('otlp-protobuf').send([root])).rejects.toThrow();
    answer = { status: 202, body: 'accepted' };
    await sender('zipkin').send([root]);
    answer = { status: 503, body: 'busy' };
    for (const each of ['otlp-protobuf', 'otlp-json', 'zipkin'] as const)
      await expect(sender(each).send([root])).rejects.toThrow('the collector answered 503');
  });
});
