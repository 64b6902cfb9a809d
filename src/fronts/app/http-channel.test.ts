import { expect, it } from 'vitest';
import type { HttpClientRequest } from '../../contracts/http-client.ts';
import { bytesBody, collect } from '../../kernel/body.ts';
import { createCall } from '../../kernel/call.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createHttpChannel } from './http-channel.ts';
import { createPermits } from './permits.ts';

/** A channel to an app that answers 200, and what the app was asked. */
function channel() {
  const asked: { readonly headers: readonly string[]; readonly target: string; readonly body: unknown }[] = [];
  const client = {
    async request({ headers, target, body }: HttpClientRequest) {
      asked.push({ headers, target, body: JSON.parse(Buffer.from(await collect(body, 65_536)).toString()) });
      return { status: 200, headers: [], body: bytesBody(new Uint8Array(0)) };
    },
  };
  const options = {
    ports: nodePorts(),
    client,
    address: { host: '127.0.0.1', port: 1 },
    permits: createPermits(0),
    answerBytesMax: 65_536,
  };
  return { asked, channel: createHttpChannel(options as never) };
}

const operation = { block: 'test', name: 'test', idempotent: false };

it('tells the app which pub/sub a delivery in bulk comes from, as metadata and as a header', async () => {
  const { asked, channel: app } = channel();
  const entries = [{ entryId: '1', event: Buffer.from('{}'), contentType: 'application/cloudevents+json', metadata: {} }];
  await app.bulkEvent(
    createCall(operation, { id: 'b', path: 'many', pubsub: 'bus', topic: 't', metadata: { pubsubName: 'bus' }, entries }),
  );
  expect(asked[0]).toMatchObject({ target: '/many', body: { metadata: { pubsubName: 'bus' } } });
  expect(asked[0]?.headers.join(' ')).toContain('pubsubname bus');
});

it('tells the app of a changed item only what there is to say', async () => {
  const { asked, channel: app } = channel();
  const items = { set: { value: 'v', version: '2', metadata: { a: 'b' } }, plain: { value: 'v', version: '2', metadata: {} } };
  const gone = { gone: { value: '', version: '', metadata: {} } };
  await app.configuration(createCall(operation, { store: 'conf', id: 's', items: { ...items, ...gone } }));
  expect(asked.map(({ target, body }) => ({ target, body }))).toEqual([
    { target: '/configuration/conf/set', body: { id: 's', items: { set: { value: 'v', version: '2', metadata: { a: 'b' } } } } },
    { target: '/configuration/conf/plain', body: { id: 's', items: { plain: { value: 'v', version: '2' } } } },
    { target: '/configuration/conf/gone', body: { id: 's', items: { gone: {} } } },
  ]);
});
