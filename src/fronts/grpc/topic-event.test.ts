import { describe, expect, it } from 'vitest';
import { topicEvent } from './topic-event.ts';

const envelope = { id: '1', source: 's', type: 't', specversion: '1.0', topic: 'orders', pubsubname: 'pubsub', traceid: '00-1' };
const eventOf = (text: string) =>
  topicEvent({ path: '/orders', pubsub: 'pubsub', topic: 'orders', cloudEvent: Buffer.from(text), metadata: {} });

describe('a CloudEvent as gRPC has it', () => {
  it('keeps as extensions what has no field of its own, topic and pubsubname among them, as daprd does', () => {
    const event = eventOf(JSON.stringify({ ...envelope, datacontenttype: 'text/plain', data: 'tea' }));
    expect(event).toMatchObject({
      id: '1',
      source: 's',
      type: 't',
      specVersion: '1.0',
      dataContentType: 'text/plain',
      topic: 'orders',
      path: '/orders',
    });
    expect(event.extensions).toEqual({ topic: 'orders', pubsubname: 'pubsub', traceid: '00-1' });
    expect(Buffer.from(event.data).toString()).toBe('tea');
  });

  it('decodes bytes, and leaves JSON as its publisher wrote it', () => {
    const base = JSON.stringify({ ...envelope, datacontenttype: 'application/json' }).slice(0, -1);
    expect(Buffer.from(eventOf(`${base},"data":{"n":1.50,"big":12345678901234567890}}`).data).toString()).toBe(
      '{"n":1.50,"big":12345678901234567890}',
    );
    expect([...eventOf(`${base},"data_base64":"/wA="}`).data]).toEqual([255, 0]);
    expect(eventOf(`${base}}`).data).toHaveLength(0);
  });
});
