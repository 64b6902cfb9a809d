import * as v from 'valibot';
import driver from '../../src/drivers/resolver-mdns/index.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import { testDriverContext } from '../../src/testing/driver-context.ts';

/** One process of `mdns.test.ts`: announces an instance over the multicast of loopback until it is told to leave, and says what it finds when asked. */
export type FromMdnsWorker = { readonly is: 'announced' | 'left' } | { readonly is: 'found'; readonly instances: readonly string[] };

const [port, instance] = process.argv.slice(2) as [string, string];
const send = (message: FromMdnsWorker): void => void process.send?.(message);
const { clock, datagrams, random, process: system } = nodePorts();
const context = testDriverContext({ clock, datagrams, random });
const registry = await driver.open(v.parse(driver.config, { port, interface: '127.0.0.1', ttl: '3s' }), {
  ...context,
  ports: { ...context.ports, process: system },
});
const leave = await registry.announce({ appId: 'shop', namespace: 'n', instance, mesh: { host: '127.0.0.1', port: 50_002 } });
send({ is: 'announced' });

process.on('message', (told) => {
  if (told === 'leave') void leave().then(() => send({ is: 'left' }));
  else
    void registry
      .resolve('shop', 'n')
      .then(({ endpoints }) => send({ is: 'found', instances: endpoints.map((endpoint) => endpoint.instance).toSorted() }));
});
