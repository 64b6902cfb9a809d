import { isAppId } from '../kernel/app-name.ts';
import { ProaError } from '../kernel/errors.ts';
import { isPlacementTtl, placementTtl } from '../kernel/placement-ttl.ts';
import type { RuntimeOptions } from './in-process.ts';

/** Fails with `config.invalid` for what cannot be, also where no compiler has looked. Answers what it was given. */
export function checkedOptions<T extends RuntimeOptions>(options: T): T {
  const { appId, dataDirectory, app, database, placementTtlMs, mesh, metrics } = options;
  if (!isAppId(appId))
    throw wrong(`appId is ${shown(appId)}; it must be a name of letters, digits, - and _`, "createRuntime({ appId: 'orders', ... })");
  if (typeof dataDirectory !== 'string' || dataDirectory === '')
    throw wrong(`dataDirectory is ${shown(dataDirectory)}; it must be a path`, "createRuntime({ dataDirectory: './data', ... })");
  // What `createApp` makes has actors, also where it comes from another copy of the package.
  if (app !== undefined && (app as Partial<typeof app> | null)?.actors === undefined)
    throw wrong('app is no app', 'make it with `createApp()` of proa/sdk');
  if (database !== undefined && !/^postgres(ql)?:\/\//.test(database))
    throw wrong('database is no URL of a PostgreSQL database', 'postgres://user:password@host/database');
  for (const name of ['resources', 'configurations'] as const) {
    const paths: unknown = options[name];
    if (paths !== undefined && !(Array.isArray(paths) && paths.every((path) => typeof path === 'string')))
      throw wrong(`${name} is ${shown(paths)}; it must be a list of paths`);
  }
  for (const [name, port] of Object.entries({ 'mesh.port': mesh?.port, 'metrics.port': metrics?.port }))
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
      throw wrong(`${name} is ${shown(port)}; it must be a port`);
  if (placementTtlMs !== undefined && !isPlacementTtl(placementTtlMs))
    throw wrong(`placementTtlMs must be between ${placementTtl.minMs} and ${placementTtl.maxMs}`);
  return options;
}

function wrong(message: string, hint?: string): ProaError {
  return new ProaError('config.invalid', message, hint === undefined ? {} : { hint });
}

function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || Array.isArray(value) ? JSON.stringify(value) : typeof value;
}
