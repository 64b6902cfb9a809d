import { CommunicationProtocolEnum, DaprClient, DaprServer, HttpMethod } from '@dapr/dapr';
import { broker, runtime, type Order } from '../order.ts';
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

await server.pubsub.subscribe(broker, 'order-placed', async (order: Order) => {
  console.log(`the kitchen sees order ${order.id}: ${order.dish}`);
  await client.invoker.invoke('accept-order', 'accept', HttpMethod.POST, order);
});

await server.start();
