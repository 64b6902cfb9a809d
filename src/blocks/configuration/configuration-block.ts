import type { AppChannel } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { nearestOf, type Component, type ComponentSet } from '../../contracts/component-set.ts';
import type { ConfigurationItems } from '../../contracts/configuration.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
import type { Call } from '../../kernel/call.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Service } from '../../kernel/service.ts';
import type { ConfigurationBlock, ConfigurationQuery } from './index.ts';
import { createSubscriptions, type Subscriptions, type Wish } from './subscriptions.ts';

export interface ConfigurationDeps {
  readonly stores: ComponentSet<'configuration'>;
  /** The app, when one is connected. */
  readonly channel?: () => AppChannel | undefined;
}

interface Handle {
  readonly component: Component<'configuration'>;
  readonly get: Service<ConfigurationQuery, ConfigurationItems>;
  readonly subscribe: Service<Wish, string>;
}

const keysMax = 1_000;

/** The configuration API over the configured stores. It owns the subscriptions, not the stores. */
export function createConfigurationBlock(context: BlockContext, deps: ConfigurationDeps): ConfigurationBlock {
  const subscriptions = createSubscriptions(context, deps);
  const compiled = new Map<string, Handle>();

  const handleOf = (store: string): Handle => {
    const component = componentOf(deps.stores, store);
    const known = compiled.get(store);
    // A component that was loaded again is another object.
    if (known?.component === component) return known;
    const handle = compile(component, context, subscriptions);
    compiled.set(store, handle);
    return handle;
  };
  return {
    async get(call) {
      checkKeys(call.input.keys);
      return handleOf(call.input.store).get(call);
    },
    async subscribe(call) {
      const handle = handleOf(call.input.store);
      if (call.input.push === undefined && deps.channel?.() === undefined) {
        throw new ProaError('app-channel-nil', 'app channel is not initialized. cannot subscribe to configuration updates');
      }
      checkKeys(call.input.keys);
      return handle.subscribe(call);
    },
    async unsubscribe({ input: { store, id } }) {
      componentOf(deps.stores, store);
      try {
        await subscriptions.end(store, id);
        return { ok: true };
      } catch (error) {
        return { ok: false, message: `failed to unsubscribe to configuration request ${id}: ${textOf(error)}` };
      }
    },
    async put({ input }) {
      const { driver } = componentOf(deps.stores, input.store);
      if (driver.put === undefined) throw notWritable(input.store);
      checkKeys(Object.keys(input.items));
      await driver.put(input.items);
    },
    async remove({ input }) {
      const { driver } = componentOf(deps.stores, input.store);
      if (driver.remove === undefined) throw notWritable(input.store);
      checkKeys(input.keys);
      await driver.remove(input.keys);
    },
    pause: () => subscriptions.pause(),
    resume: () => subscriptions.resume(),
    close: () => subscriptions.close(),
  };
}

function compile(component: Component<'configuration'>, context: BlockContext, subscriptions: Subscriptions): Handle {
  const { name, type, driver } = component;
  const governed = <In extends ConfigurationQuery, Out>(operation: string, code: ErrorCode, run: (call: Call<In>) => Promise<Out>) =>
    context.govern({ block: 'configuration', name, operation, direction: 'outbound', componentType: type }, async (call: Call<In>) => {
      try {
        return await run(call);
      } catch (cause) {
        if (isProaError(cause)) throw cause;
        const verb = operation === 'get' ? 'get' : 'subscribe';
        // Dapr prints the keys as Go prints a list.
        throw new ProaError(code, `failed to ${verb} [${call.input.keys.join(' ')}] from Configuration store ${name}: ${textOf(cause)}`, {
          cause,
        });
      }
    });
  return {
    component,
    get: governed('get', 'configuration.get', ({ input }) => driver.get(input.keys, input.metadata)),
    subscribe: governed('subscribe', 'configuration.subscribe', ({ input }: Call<Wish>) => subscriptions.add(component, input)),
  };
}

function componentOf(stores: ComponentSet<'configuration'>, store: string): Component<'configuration'> {
  const component = stores.get(store);
  if (component !== undefined) return component;
  throw stores.list().length === 0
    ? new ProaError('configuration.not-configured', 'configuration stores not configured')
    : new ProaError('configuration.not-found', `configuration store ${store} not found`, nearestOf(store, stores.list()));
}

function checkKeys(keys: readonly string[]): void {
  if (keys.length > keysMax) throw new ProaError('malformed-request', `at most ${keysMax} keys at once, not ${keys.length}`);
  for (const key of keys) {
    if (key === '' || key.length > limits.keyBytes)
      throw new ProaError('malformed-request', `a configuration key has 1 to ${limits.keyBytes} bytes`);
  }
}

function notWritable(store: string): ProaError {
  return new ProaError('unimplemented', `configuration store ${store} is written with its own tools, not through this API`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
