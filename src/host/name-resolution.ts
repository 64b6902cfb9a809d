import type { DriverContext, DriverDefinition } from '../contracts/driver.ts';
import type { Registry } from '../contracts/resolver.ts';
import { isProaError, ProaError } from '../kernel/errors.ts';
import { createLayeredRegistry } from '../mesh/layered-registry.ts';
import type { DriverIndex } from './config/check-component.ts';
import type { ComponentResource } from './config/model.ts';
import { resolveComponent, type ResolveContext } from './config/resolve-component.ts';

export interface NameResolutionOptions {
  /** The machine's own registry. */
  readonly local: Registry;
  /** What the Configuration names; absent: the machine's own alone. */
  readonly resource?: ComponentResource;
  readonly drivers: DriverIndex;
  readonly resolve: ResolveContext;
  readonly context: DriverContext;
}

/** The registry of one app: the machine's, with the one that its Configuration names behind it. Closing it leaves the machine's open. */
export async function openNameResolution({ local, resource, drivers, resolve, context }: NameResolutionOptions): Promise<Registry> {
  if (resource === undefined) return { ...bound(local), close: () => Promise.resolve() };
  const definition = (await drivers[resource.type]?.load()) as DriverDefinition<'nameresolution'> | undefined;
  if (definition === undefined) throw new ProaError('config.invalid', `there is no resolver ${resource.type}`);
  const { config } = await resolveComponent(resource, definition, resolve);
  const wideName = resource.type.slice('nameresolution.'.length);
  const wide = await definition.open(config, context).catch((error: unknown) => {
    if (isProaError(error)) throw error;
    throw new ProaError('component.init-failed', `name resolution ${wideName} cannot be started: ${(error as Error).message}`, {
      cause: error,
    });
  });
  return createLayeredRegistry({ local, wide, wideName, clock: context.ports.clock, log: context.log });
}

function bound(registry: Registry): Registry {
  return {
    resolve: (appId, namespace) => registry.resolve(appId, namespace),
    onChange: (changed) => registry.onChange(changed),
    announce: (endpoint) => registry.announce(endpoint),
    list: () => registry.list(),
    close: () => registry.close(),
  };
}
