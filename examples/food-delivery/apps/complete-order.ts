import { CommunicationProtocolEnum, DaprClient, DaprServer } from '@dapr/dapr';
import { broker, runtime, type Order } from '../order.ts';
import { logger } from '../quiet-logger.ts';

const client = new DaprClient({
  daprHost: runtime.host,
  daprPort: runtime.httpPort,
  communicationProtocol: CommunicationProtocolEnum.HTTP,
  logger,
});
const server = new DaprServer({
  serverHost: runtime.host,
  serverPort: runtime.appPort,
  communicationProtocol: CommunicationProtocolEnum.HTTP,
  clientOptions: { daprHost: runtime.host, daprPort: runtime.httpPort },
  logger,
});

/** What is in the oven, with the call that acknowledges its event: a crash of this app puts it in again. */
const oven = new Map<string, { readonly order: Order; readonly done: () => void }>();

await server.pubsub.subscribe(broker, 'order-accepted', (order: Order) => new Promise<void>((done) => oven.set(order.id, { order, done })));

await server.binding.receive('oven', async () => {
  for (const [id, { order, done }] of oven) {
    oven.delete(id);
    await client.pubsub.publish(broker, 'order-completed', order);
    done();
  }
});

await server.start();
