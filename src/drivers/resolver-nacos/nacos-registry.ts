import type { InferOutput } from 'valibot';
import { createAnnouncements } from '../../contracts/announcements.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { createEndpointCache } from '../../contracts/endpoint-cache.ts';
import type { Registry } from '../../contracts/resolver.ts';
import type { config } from './config.ts';
import { createNacosServer } from './nacos-server.ts';

type Options = InferOutput<typeof config>;

const source = 'nacos';

/**
 * Nacos' HTTP API of version 1, which servers 1.x and 2.x answer: ephemeral instances kept by beats, services named as the app. There is no push over
 * HTTP: names in use are asked about as often as the server says.
 */
export async function openNacos(options: Options, context: DriverContext): Promise<Registry> {
  const { clock } = context.ports;
  const server = createNacosServer(options, context);
  const shared = { clock, log: context.log, source };
  const cache = createEndpointCache({ ...shared, lookup: (appId, namespace) => server.instances(appId, namespace) });
  const announcements = createAnnouncements({
    ...shared,
    intervalMs: options.ttl / 3,
    write: (endpoint) => server.renew(endpoint),
    remove: (endpoint) => server.deregister(endpoint),
  });
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    announce: (endpoint) => announcements.announce(endpoint),
    list: () => Promise.resolve(cache.known()),
    close() {
      announcements.close();
      cache.close();
      return Promise.resolve();
    },
  };
}
