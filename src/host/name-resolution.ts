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
  /** That of the database which the runtimes share, if they share one. */
  readonly database?: Registry;
  /** What the Configuration names instead of it. */
  readonly resource?: ComponentResource;
  readonly drivers: DriverIndex;
  readonly resolve: ResolveContext;
  readonly context: DriverContext;
}

/** The registry of one app: the machine's, with the one that its Configuration names, or else the database's, behind it. Closing it leaves the machine's and the database's open. */
export async function openNameResolution(options: NameResolutionOptions): Promise<Registry> {
  const { local, database, resource, drivers, resolve, context } = options;
  const { clock } = context.ports;
  if (resource === undefined) {
    if (database === undefined) return kept(local);
    // Most runtimes with a database are alone on it: that nothing but this machine can call them is no news.
    return createLayeredRegistry({ local, wide: kept(database), wideName: 'the database', asked: false, clock, log: context.log });
  }
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
  return createLayeredRegistry({ local, wide, wideName, asked: true, clock, log: context.log });
}

/** The registry as something that may be closed while others still use it. */
function kept(registry: Registry): Registry {
  return {
    resolve: (appId, namespace) => registry.resolve(appId, namespace),
    onChange: (changed) => registry.onChange(changed),
    announce: (endpoint) => registry.announce(endpoint),
    list: () => registry.list(),
    close: () => Promise.resolve(),
  };
}
