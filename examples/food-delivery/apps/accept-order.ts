import { CommunicationProtocolEnum, DaprClient, DaprServer, HttpMethod } from '@dapr/dapr';
import { broker, runtime, store, type Order } from '../order.ts';
import { logger } from '../quiet-logger.ts';

const client = new DaprClient({
  daprHost: runtime.host,
  daprPort: runtime.grpcPort,
  communicationProtocol: CommunicationProtocolEnum.GRPC,
  logger,
});
const server = new DaprServer({
  serverHost: runtime.host,
  serverPort: runtime.appPort,
  communicationProtocol: CommunicationProtocolEnum.GRPC,
  clientOptions: { daprHost: runtime.host, daprPort: runtime.grpcPort },
  logger,
});

await server.invoker.listen(
  'accept',
  async ({ body }) => {
    const order: Order = { ...(JSON.parse(body ?? '{}') as Order), status: 'accepted' };
    await client.state.save(store, [{ key: order.id, value: order }]);
    await client.pubsub.publish(broker, 'order-accepted', order);
    return order;
  },
  { method: HttpMethod.POST },
);

await server.start();
