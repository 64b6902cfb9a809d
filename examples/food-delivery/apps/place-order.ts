import { CommunicationProtocolEnum, DaprClient, DaprServer, HttpMethod } from '@dapr/dapr';
import { broker, runtime, store, type Order } from '../order.ts';
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

await server.invoker.listen(
  'orders',
  async ({ body }) => {
    const wish = JSON.parse(body ?? '{}') as Pick<Order, 'id' | 'dish' | 'customer'>;
    const order: Order = { id: wish.id, dish: wish.dish, customer: wish.customer, status: 'placed' };
    await client.state.save(store, [{ key: order.id, value: order }]);
    await client.pubsub.publish(broker, 'order-placed', order);
    return order;
  },
  { method: HttpMethod.POST },
);

await server.pubsub.subscribe(broker, 'order-completed', async (order: Order) => {
  await client.state.save(store, [{ key: order.id, value: { ...order, status: 'completed' } }]);
});

await server.start();
console.log('taking orders');
