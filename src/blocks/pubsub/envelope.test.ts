import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noTrace } from '../../kernel/trace-context.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createTemplates, quoted, wrapEvent, type EnvelopeInput } from './envelope.ts';
import { slabEventMax } from './envelope-template.ts';
import { isJson, jsonMembers, stringMember } from '../../kernel/json-scan.ts';
import { completeEvent } from './pass-through.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const input: EnvelopeInput = {
  id: 'id-1',
  source: 'app',
  topic: 'orders',
  pubsub: 'bus',
  contentType: 'application/json',
  data: Buffer.from('{"a":1}'),
  time: '2026-01-02T03:04:05Z',
  trace: { traceparent, tracestate: 'k=v', baggage: '' },
  metadata: {},
};

function wrap(changes: Partial<EnvelopeInput>): Record<string, unknown> {
  return JSON.parse(wrapEvent(createTemplates(), { ...input, ...changes }).toString('utf8')) as Record<string, unknown>;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('envelopes', () => {
  it('carries every attribute of Dapr', () => {
    expect(wrap({ expiration: '2026-01-02T03:05:05Z' })).toEqual({
      id: 'id-1',
      source: 'app',
      type: 'com.dapr.event.sent',
      specversion: '1.0',
      datacontenttype: 'application/json',
      topic: 'orders',
      pubsubname: 'bus',
      time: '2026-01-02T03:04:05Z',
      traceid: traceparent,
      traceparent,
      tracestate: 'k=v',
      expiration: '2026-01-02T03:05:05Z',
      data: { a: 1 },
    });
  });

  it.each([
    ['application/json', '{"a":1}', { data: { a: 1 } }],
    ['application/json; charset=utf-8', '[1]', { data: [1] }],
    ['Application/JSON', ' "x" ', { data: 'x' }],
    ['application/json', 'null', { data: null }],
    ['application/json', '{broken', { data: '{broken' }],
    ['application/json', '', { data: '' }],
    ['application/json', '1 2', { data: '1 2' }],
    ['text/plain', 'a"ü\n', { data: 'a"ü\n' }],
    ['', 'x', { data: 'x', datacontenttype: 'text/plain' }],
    ['application/xml', '<a/>', { data: '<a/>' }],
    ['application/octet-stream', 'x', { data_base64: 'eA==' }],
    ['application/cloudevents+protobuf', 'x', { data_base64: 'eA==' }],
    ['application/x-protobuf', 'x', { data_base64: 'eA==' }],
  ])('embeds %s %j', (contentType, text, expected) => {
    const event = wrap({ contentType, data: Buffer.from(text) });
    expect(event).toMatchObject(expected);
    expect('data' in event && 'data_base64' in event).toBe(false);
  });

  it.each(['application/json', 'text/plain', '', 'application/octet-stream', 'application/cloudevents+protobuf'])(
    'embeds JSON that is text already as it embeds its bytes (%s)',
    (contentType) => {
      const text = '{"a":["ü\\n",1.50]}';
      expect(wrap({ contentType, data: text })).toEqual(wrap({ contentType, data: Buffer.from(text) }));
    },
  );

  it('keeps the digits of numbers and the bytes of text that is not UTF-8', () => {
    const big = '{"n":12345678901234567890.10}';
    expect(wrapEvent(createTemplates(), { ...input, data: Buffer.from(big) }).toString()).toContain(`"data":${big}}`);
    expect(wrap({ contentType: 'text/plain', data: Uint8Array.of(255, 1) })).toMatchObject({ data_base64: '/wE=' });
    expect(wrap({ data: Uint8Array.of(0x22, 255, 0x22) })).toMatchObject({ data_base64: 'Iv8i' });
  });

  it('lets metadata override attributes in any case, but neither data, topic, pub/sub name nor content type', () => {
    const metadata = {
      'CloudEvent.ID': 'mine',
      'cloudevent.Type': 'my.type',
      'cloudevent.source': 'me "q" ü',
      'cloudevent.subject': 's',
      'cloudevent.traceid': 'old',
      'cloudevent.traceparent': 'tp',
      'cloudevent.tracestate': 'ts',
      'cloudevent.topic': 'no',
      'cloudevent.data': 'no',
      'cloudevent.datacontenttype': 'no',
      'cloudevent.__proto__': 'no',
    };
    expect(wrap({ metadata })).toMatchObject({
      id: 'mine',
      type: 'my.type',
      source: 'me "q" ü',
      subject: 's',
      traceid: 'tp',
      traceparent: 'tp',
      tracestate: 'ts',
      topic: 'orders',
      datacontenttype: 'application/json',
      data: { a: 1 },
    });
    expect(wrap({ metadata: { 'cloudevent.id': '' } })).toMatchObject({ id: 'id-1' });
  });

  it('is valid JSON with the given texts, whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), fc.uint8Array(), (topic, id, data) => {
        const event = wrap({ topic, id, data, contentType: 'text/plain' });
        expect([event['topic'], event['id']]).toEqual([topic, id]);
      }),
    );
  });
});

describe('completing CloudEvents', () => {
  const complete = (event: string): Record<string, unknown> | undefined => {
    const done = completeEvent({ event: Buffer.from(event), topic: 't', pubsub: 'p', time: 'now', trace: { ...noTrace, traceparent } });
    return done === undefined ? undefined : (JSON.parse(done.toString()) as Record<string, unknown>);
  };

  it('fills in what is missing and always sets topic and pub/sub name', () => {
    expect(complete('{"id":"1","topic":"x","pubsubname":"y","data":{"a":[1]},"ext":7}')).toEqual({
      id: '1',
      topic: 't',
      pubsubname: 'p',
      data: { a: [1] },
      ext: 7,
      time: 'now',
      source: 'Dapr',
      type: 'com.dapr.event.sent',
      specversion: '1.0',
      traceid: traceparent,
      traceparent,
      tracestate: '',
    });
  });

  it('keeps what is there, takes null for missing where Dapr does, and the last of repeated members', () => {
    const event = complete('{"id":"a","id":"b","source":null,"type":"t1","time":null,"traceparent":"own","specversion":"0.3"}');
    expect(event).toMatchObject({
      id: 'b',
      source: 'Dapr',
      type: 't1',
      time: null,
      traceparent: 'own',
      traceid: 'own',
      specversion: '0.3',
    });
  });

  it.each(['', '[]', 'null', '"x"', '{"a":1', '{"a":1} x', '{"a" 1}'])('refuses %j', (text) => {
    expect(complete(text)).toBeUndefined();
  });

  it('keeps the digits of numbers', () => {
    const event = completeEvent({ event: Buffer.from('{"data":12345678901234567890}'), topic: 't', pubsub: 'p', time: '', trace: noTrace });
    expect(event?.toString()).toContain('"data":12345678901234567890');
  });
});

describe('the JSON scanner', () => {
  it('agrees with JSON.parse on generated and on damaged JSON', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', '"', '{', '}', ',', ':', '\\', '0', '-', 'e', ' ', '\n', 'nul'),
        (json, at, piece) => {
          expect(isJson(Buffer.from(json))).toBe(true);
          const cut = at % (json.length + 1);
          const damaged = json.slice(0, cut) + piece + json.slice(cut + 1);
          expect(isJson(Buffer.from(damaged))).toBe(parses(Buffer.from(damaged).toString()));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('sees what ends a string or may not stand in one at every place of eight, and at the end', () => {
    for (let length = 0; length < 40; length++) {
      const text = Buffer.from(`"${'x'.repeat(length)}"`);
      expect(isJson(text), `${length}`).toBe(true);
      expect(isJson(text.subarray(0, -1)), `${length}, not ended`).toBe(false);
      for (let at = 1; at <= length; at++) {
        for (const byte of [0x00, 0x1f, 0x22, 0x5c, 0x20, 0x7f]) {
          const changed = Buffer.from(text);
          changed[at] = byte;
          expect(isJson(changed), `${byte} at ${at} of ${length}`).toBe(parses(changed.toString()));
        }
      }
    }
  });

  it('sees the same in long strings, where it looks at sixteen bytes at a time, whatever lies beside it', () => {
    for (const filling of ['x', 'ü', '\x7f']) {
      for (let before = 60; before < 100; before++) {
        for (let code = 0; code < 0x80; code++) {
          const text = Buffer.from(`"${filling.repeat(before)}${String.fromCharCode(code)}${filling.repeat(before % 33)}"`);
          expect(isJson(text), `${code} behind ${before} of ${filling}`).toBe(parses(text.toString()));
        }
      }
    }
  });

  it('finds members with decoded names', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (object) => {
        const bytes = Buffer.from(JSON.stringify(object, undefined, 1));
        const found = jsonMembers(bytes)?.map(({ name, from, to }) => [name, JSON.parse(bytes.toString('utf8', from, to)) as unknown]);
        expect(found).toEqual(Object.entries(JSON.parse(bytes.toString()) as object));
      }),
    );
    const bytes = Buffer.from('{"a":"\\u00e4\\n","b":1}');
    expect(jsonMembers(bytes)?.map((member) => stringMember(bytes, member))).toEqual(['ä\n', undefined]);
  });

  it('stands depth without a stack, up to its limit', () => {
    const nested = (depth: number): Uint8Array => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
    expect([isJson(nested(10_000)), isJson(nested(10_002)), isJson(nested(1_000_000))]).toEqual([true, false, false]);
  });

  it('writes the same bytes with a template as without, whatever differs from event to event', () => {
    const templates = createTemplates();
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    // An id of another length is never put into a template.
    const slowly = (changes: Partial<EnvelopeInput>, id: string): string =>
      wrapEvent(createTemplates(), { ...input, ...changes, id: '?' })
        .toString('latin1')
        .replace('"id":"?"', () => `"id":${quoted(id)}`);
    fc.assert(
      fc.property(
        fc.record({
          id: fc.oneof(fc.uuid(), fc.string({ unit: 'binary', minLength: 36, maxLength: 36 })),
          time: fc.constantFrom('2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z'),
          traceparent: fc.constantFrom('', traceparent, traceparent.replaceAll('7', '8')),
          topic: fc.constantFrom('orders', 'a "topic" ü'),
          data: fc.oneof(
            fc.json().map((json) => Buffer.from(json)),
            fc.json(),
            fc.constantFrom(Buffer.from('{broken'), JSON.stringify('ü'.repeat(9_000)), JSON.stringify('x'.repeat(slabEventMax))),
            text.map((plain) => Buffer.from(plain)),
          ),
        }),
        ({ id, time, traceparent: parent, topic, data }) => {
          const changes = { time, topic, data, trace: { traceparent: parent, tracestate: '', baggage: '' } };
          expect(wrapEvent(templates, { ...input, ...changes, id }).toString('latin1')).toBe(slowly(changes, id));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('leaves events that were made before alone', () => {
    const templates = createTemplates();
    const ids = Array.from({ length: 400 }, (_, i) => String(i).padStart(36, '0'));
    const events = ids.map((id) => wrapEvent(templates, { ...input, id, trace: noTrace, data: JSON.stringify(id.repeat(10)) }));
    for (const [i, event] of events.entries()) {
      expect(JSON.parse(event.toString())).toMatchObject({ id: ids[i], traceparent: '', data: (ids[i] as string).repeat(10) });
    }
  });
});

it('remembers topics and content types, and not the heads that they were cut out of', async () => {
  const templates = createTemplates();
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 1_000; i++) {
      const trace = { ...input.trace, tracestate: '' };
      const parts = { id: '0'.repeat(36), topic: cutOut(`orders-of-customer-${i}`), contentType: cutOut('application/json'), trace };
      wrapEvent(templates, { ...input, ...parts });
      for (let j = 0; j < 100; j++) Buffer.from('x'.repeat(100));
    }
  });
  // With the heads it would be 32 MB, with the pool of buffers another 8.
  expect(bytes).toBeLessThan(5_000_000);
  expect([...templates.byTopic.keys()][7]).toBe('orders-of-customer-7');
});
