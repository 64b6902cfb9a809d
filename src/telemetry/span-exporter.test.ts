import { create, createFileRegistry, fromBinary, toJson, type DescMessage } from '@bufbuild/protobuf';
import { FieldDescriptorProto_Label, FieldDescriptorProto_Type, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../kernel/log.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createGrpcServer, type GrpcServer } from '../wire/grpc/server.ts';
import type { Method, ServerCall } from '../wire/grpc/method.ts';
import { http2Transport } from '../wire/http2/transport.ts';
import { cutOut, keptBytes } from '../testing/kept-memory.ts';
import { createGrpcSender } from './grpc-sender.ts';
import { otlpMessage } from './otlp-message.ts';
import { createSpanExporter, type SpanSender } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

const { STRING: text, BYTES: bytes, MESSAGE: message, FIXED64: fixed64 } = FieldDescriptorProto_Type;

type Field = readonly [name: string, number: number, type: FieldDescriptorProto_Type, of?: string];

// The referee: opentelemetry-proto's messages as far as spans need them, read by protobuf-es.
const messages: Readonly<Record<string, readonly Field[]>> = {
  Request: [['resource_spans', 1, message, 'ResourceSpans*']],
  ResourceSpans: [
    ['resource', 1, message, 'Resource'],
    ['scope_spans', 2, message, 'ScopeSpans*'],
  ],
  Resource: [['attributes', 1, message, 'KeyValue*']],
  ScopeSpans: [
    ['scope', 1, message, 'Scope'],
    ['spans', 2, message, 'Span*'],
  ],
  Scope: [
    ['name', 1, text],
    ['version', 2, text],
  ],
  Span: [
    ['trace_id', 1, bytes],
    ['span_id', 2, bytes],
    ['trace_state', 3, text],
    ['parent_span_id', 4, bytes],
    ['name', 5, text],
    ['kind', 6, FieldDescriptorProto_Type.INT32],
    ['start_time_unix_nano', 7, fixed64],
    ['end_time_unix_nano', 8, fixed64],
    ['attributes', 9, message, 'KeyValue*'],
    ['status', 15, message, 'Status'],
  ],
  Status: [['code', 3, FieldDescriptorProto_Type.INT32]],
  KeyValue: [
    ['key', 1, text],
    ['value', 2, message, 'AnyValue'],
  ],
  AnyValue: [
    ['string_value', 1, text],
    ['int_value', 3, FieldDescriptorProto_Type.INT64],
    ['double_value', 4, FieldDescriptorProto_Type.DOUBLE],
  ],
};

const file = create(FileDescriptorProtoSchema, {
  name: 'otlp.proto',
  package: 'o',
  syntax: 'proto3',
  messageType: Object.entries(messages).map(([name, fields]) => ({
    name,
    field: fields.map(([field, at, type, of]) => ({
      name: field,
      jsonName: field.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      number: at,
      type,
      label: of?.endsWith('*') === true ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
      ...(of === undefined ? {} : { typeName: `.o.${of.replace('*', '')}` }),
      ...(name === 'AnyValue' ? { oneofIndex: 0 } : {}),
    })),
    oneofDecl: name === 'AnyValue' ? [{ name: 'value' }] : [],
  })),
});
const request = createFileRegistry(file, () => undefined).getMessage('o.Request') as DescMessage;
const read = (wire: Uint8Array): unknown => toJson(request, fromBinary(request, wire));

const span: FinishedSpan = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentSpanId: '',
  name: 'CallLocal/b/m',
  kind: 'server',
  startNs: 1_700_000_000_123_456_789n,
  endNs: 1_700_000_000_223_456_789n,
  ok: false,
  attributes: [
    ['a', 'é'],
    ['zero', 0],
    ['port', 3500],
    ['half', 0.5],
    ['empty', ''],
  ],
  traceState: 'x=y',
};

const ports = nodePorts();
const hex = (digits: string): string => Buffer.from(digits, 'hex').toString('base64');
const asJson = {
  traceId: hex(span.traceId),
  spanId: hex(span.spanId),
  traceState: 'x=y',
  name: 'CallLocal/b/m',
  kind: 2,
  startTimeUnixNano: '1700000000123456789',
  endTimeUnixNano: '1700000000223456789',
  attributes: [
    { key: 'a', value: { stringValue: 'é' } },
    { key: 'zero', value: { intValue: '0' } },
    { key: 'port', value: { intValue: '3500' } },
    { key: 'half', value: { doubleValue: 0.5 } },
    { key: 'empty', value: {} },
  ],
  status: { code: 2 },
};

describe('spans in protobuf', () => {
  it('are what a reader of the OTLP messages finds', () => {
    const more = { ...span, ok: true, parentSpanId: 'b7ad6b7169203332', kind: 'consumer', attributes: [], traceState: '' } as const;
    const { status: _failed, attributes: _none, traceState: _state, ...rest } = asJson;
    expect(read(otlpMessage([span, more], { 'service.name': 'app' }, '1.2.3'))).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'app' } }] },
          scopeSpans: [
            {
              scope: { name: 'proa', version: '1.2.3' },
              spans: [asJson, { ...rest, kind: 5, parentSpanId: hex('b7ad6b7169203332') }],
            },
          ],
        },
      ],
    });
  });

  it('have right lengths when they are many and long', () => {
    const many = Array.from({ length: 512 }, (_, i) => ({ ...span, attributes: [['n', 'x'.repeat(i * 3)]] as const }));
    const found = read(otlpMessage(many, {}, '1')) as { resourceSpans: { scopeSpans: { spans: unknown[] }[] }[] };
    expect(found.resourceSpans[0]?.scopeSpans[0]?.spans).toHaveLength(512);
  });
});

describe('the sender over gRPC', () => {
  let server: GrpcServer | undefined;
  let sender: SpanSender | undefined;
  afterEach(async () => {
    sender?.close();
    await server?.close(0);
  });

  async function collector(handle: (wire: Uint8Array, call: ServerCall) => Promise<Uint8Array>): Promise<string> {
    const method: Method = {
      path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
      kind: 'unary',
      decode: (wire) => wire,
      encode: (wire) => wire as Uint8Array,
      handle: (wire, call) => handle(wire as Uint8Array, call),
    };
    server = await createGrpcServer({
      clock: ports.clock,
      transport: http2Transport(ports),
      address: { host: '127.0.0.1', port: 0 },
      methods: [method],
    });
    return `http://127.0.0.1:${(server.address as { port: number }).port}`;
  }

  const open = (url: string): SpanSender => {
    sender = createGrpcSender({ url, headers: ['x-key', 'k'], timeoutMs: 5_000 }, { ports: ports, resource: {}, version: '1' });
    return sender;
  };

  it('exports with the headers of the configuration', async () => {
    const got: [unknown, string | undefined][] = [];
    const url = await collector((wire, call) => {
      got.push([read(wire), call.metadata[call.metadata.indexOf('x-key') + 1]]);
      return Promise.resolve(new Uint8Array(0));
    });
    await open(url).send([span]);
    expect(got).toEqual([[{ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: expect.anything(), spans: [asJson] }] }] }, 'k']]);
  });

  it('says what a collector did not take, refused or answered in no way', async () => {
    const partial = Buffer.concat([Buffer.from([10, 8, 8, 1, 18, 4]), Buffer.from('full')]);
    const answers = [partial, Buffer.from([0xff])];
    const url = await collector(() => Promise.resolve(answers.shift() ?? new Uint8Array(0)));
    const to = open(url);
    await expect(to.send([span, span])).rejects.toThrow('the collector refused 1 of 2 spans: full');
    await expect(to.send([span])).rejects.toThrow();
    await server?.close(0);
    await expect(to.send([span])).rejects.toThrow();
  });
});

describe('the exporter', () => {
  it('sends in batches, drops what a dead collector leaves, and says so once a minute', async () => {
    const clock = createFakeClock();
    const warned: unknown[] = [];
    const sizes: number[] = [];
    let broken = true;
    let closed = 0;
    const exporter = createSpanExporter({
      clock,
      log: { ...silentLogger, warn: (_text, fields) => warned.push(fields?.['url']) },
      sender: {
        url: 'collector',
        send(spans) {
          sizes.push(spans.length);
          return broken ? Promise.reject(new Error('down')) : Promise.resolve();
        },
        close: () => closed++,
      },
    });
    for (let i = 0; i < 5_000; i++) exporter.add(span);
    expect(exporter.dropped).toBe(5_000 - 4_096);
    clock.advance(1_000);
    while (sizes.length < 8) await Promise.resolve();
    await Promise.resolve();
    expect(sizes).toEqual(Array.from({ length: 8 }, () => 512));
    expect([exporter.dropped, warned]).toEqual([5_000, ['collector']]);
    broken = false;
    exporter.add(span);
    await exporter.close();
    expect([exporter.dropped, sizes.at(-1), closed]).toEqual([5_000, 1, 1]);
  });
});

it('keeps spans that wait, and not the heads that their texts were cut out of', async () => {
  const sent: FinishedSpan[] = [];
  const silent: SpanSender = { url: 'x', send: async (batch) => void sent.push(...batch), close() {} };
  const exporter = createSpanExporter({ sender: silent, clock: createFakeClock(), log: silentLogger });
  const cut = {
    ...span,
    name: `CallLocal/orders/${span.name}`,
    attributes: [['dapr-a-long-header-name', 'a value of some length']] as const,
  };
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 500; i++)
      exporter.add({
        ...cut,
        traceId: cutOut(cut.traceId),
        spanId: cutOut(cut.spanId),
        parentSpanId: cutOut(cut.parentSpanId),
        name: `CallLocal/orders/${cutOut(span.name.padEnd(20))}`.trimEnd(),
        traceState: cutOut(cut.traceState.padEnd(20)),
        attributes: [[cutOut('dapr-a-long-header-name'), cutOut('a value of some length')]],
      });
  });
  // With the heads it would be 48 MB.
  expect(bytes).toBeLessThan(6_000_000);
  await exporter.close();
  expect(sent[499]).toEqual({ ...cut, traceState: cut.traceState.padEnd(20) });
});
