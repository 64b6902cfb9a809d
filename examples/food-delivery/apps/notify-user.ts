import { createServer, request, type IncomingMessage } from 'node:http';
import { broker, runtime, type Order } from '../order.ts';

const topics = ['order-placed', 'order-accepted', 'order-completed'];

/** The secret arrives over the plain HTTP API; no SDK is needed. */
function secret(name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: runtime.host, port: runtime.httpPort, path: `/v1.0/secrets/keys/${name}` }, async (answer) => {
      const found = JSON.parse((await text(answer)) || '{}') as Record<string, string>;
      resolve(found[name] ?? '');
    });
    call.once('error', reject);
    call.end();
  });
}

async function text(message: IncomingMessage): Promise<string> {
  let read = '';
  for await (const chunk of message.setEncoding('utf8')) read += chunk as string;
  return read;
}

const server = createServer(async (incoming, answer) => {
  if (incoming.url === '/dapr/subscribe') {
    answer.setHeader('content-type', 'application/json');
    answer.end(JSON.stringify(topics.map((topic) => ({ pubsubname: broker, topic, route: `/events/${topic}` }))));
    return;
  }
  if (incoming.url?.startsWith('/events/') !== true) {
    answer.writeHead(404).end();
    return;
  }
  const event = JSON.parse(await text(incoming)) as { topic: string; data: Order };
  const key = await secret('DEMO_MESSAGE_KEY');
  const how = key === '' ? 'would tell' : 'tells';
  console.log(`${how} ${event.data.customer}: your ${event.data.dish} is ${event.topic.slice('order-'.length)}`);
  answer.end();
});

server.listen(Number(runtime.appPort), runtime.host);
