import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { broker, runtime, type Order } from '../order.ts';

const topics = ['order-placed', 'order-accepted', 'order-completed'];

/** The secret arrives over the plain HTTP API; no SDK is needed. */
function secret(name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: runtime.host, port: runtime.httpPort, path: `/v1.0/secrets/keys/${name}` }, (answer) => {
      text(answer).then((body) => resolve((JSON.parse(body || '{}') as Record<string, string>)[name] ?? ''), reject);
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

async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
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
}

const server = createServer((incoming, answer) => void handle(incoming, answer));
server.listen(Number(runtime.appPort), runtime.host);
