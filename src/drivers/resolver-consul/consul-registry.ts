import type { InferOutput } from 'valibot';
import { createAnnouncements } from '../../contracts/announcements.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { createEndpointCache } from '../../contracts/endpoint-cache.ts';
import { follow } from '../../contracts/follow.ts';
import type { Registry } from '../../contracts/resolver.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import type { config } from './config.ts';
import { createConsulAgent } from './consul-agent.ts';

type Options = InferOutput<typeof config>;

const source = 'consul';
const watchedMax = 1_000;

/**
 * Consul's HTTP API: services named as the app, the port for peers in the meta that Dapr uses. Health comes from the checks: critical is unhealthy, and
 * listed. Names in use are followed by blocking queries.
 */
export async function openConsul(options: Options, context: DriverContext): Promise<Registry> {
  const { clock } = context.ports;
  const { log } = context;
  const agent = createConsulAgent(options, context);
  const shared = { clock, log, source };
  const follows = new Map<string, { close(): Promise<void> }>();
  const cache = createEndpointCache({
    ...shared,
    async lookup(appId, namespace) {
      const { endpoints } = await agent.service(appId, namespace);
      if (endpoints.length > 0) watch(appId);
      return { endpoints, validForMs: options.ttl };
    },
  });
  const watch = (appId: string): void => {
    if (follows.has(appId) || follows.size >= watchedMax) return;
    let index = '0';
    const attempt = async (cancel: Cancellation, going: () => void): Promise<void> => {
      const answer = await agent.service(appId, '', { index, cancel });
      going();
      // An index that goes backwards means that the server was rebuilt: begin anew (Consul's rule).
      const moved = answer.index !== index;
      index = Number(answer.index) >= Number(index) ? answer.index : '0';
      if (moved) for (const { namespace } of cache.known().filter((endpoint) => endpoint.appId === appId)) cache.hint(appId, namespace);
      // A server that does not block must not be asked in a tight loop.
      if (!moved) await pause(context, cancel);
      if (answer.endpoints.length === 0 && !cache.known().some((endpoint) => endpoint.appId === appId)) unwatch(appId);
    };
    follows.set(appId, follow({ clock, log, what: `the watch of service ${appId} in Consul`, attempt }));
  };
  // Names come and go: one that is gone must not keep the place of another, nor a query at the agent.
  const unwatch = (appId: string): void => {
    const gone = follows.get(appId);
    follows.delete(appId);
    void gone?.close();
  };
  const announcements = createAnnouncements({
    ...shared,
    intervalMs: options.ttl / 3,
    write: (endpoint) => agent.renew(endpoint),
    remove: (endpoint) => (options.selfDeregister ? agent.deregister(endpoint) : Promise.resolve()),
  });
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    announce: (endpoint) => (options.selfRegister ? announcements.announce(endpoint) : Promise.resolve(() => Promise.resolve())),
    list: () => Promise.resolve(cache.known()),
    async close() {
      announcements.close();
      cache.close();
      await Promise.all([...follows.values()].map((one) => one.close()));
    },
  };
}

function pause({ ports }: DriverContext, cancel: Cancellation): Promise<void> {
  return new Promise((resolve) => {
    const timer = ports.clock.timer(1_000, resolve, true);
    cancel.onCancel(() => {
      timer.cancel();
      resolve();
    });
  });
}
