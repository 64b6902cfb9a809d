import type { Engine } from '../contracts/engine.ts';
import type { ProaError } from '../kernel/errors.ts';
import type { Owner } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import { logFields } from '../kernel/names.ts';
import type { Ports } from '../kernel/ports.ts';
import { describePlace, readEnginePlace } from './engine/engine-place.ts';
import { openSharedEngine } from './engine/open-shared-engine.ts';
import type { EngineRole } from './engine/seat.ts';
import type { SharedEngine } from './engine/shared-engine.ts';

export interface MachineEngineOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly directory: string;
  /** Who may own the journal: the host first, then sidecars. */
  readonly role: EngineRole;
  /** URL of the database that keeps what the components store; absent: the journal does. */
  readonly database?: string;
}

export interface MachineEngines {
  /** The journal in `directory`, owned by this process or reached through its owner. It knows who runs on this machine, and by which sockets. */
  readonly local: SharedEngine;
  /** What embedded components store. */
  readonly components: Engine;
}

const closeMs = 10_000;

/**
 * Opens the engines of this machine and has `owner` close them. Sockets of this machine are known from the journal also where a database keeps the
 * data. Fails as `openSharedEngine` and `openPostgresEngine` do.
 */
export async function openMachineEngines(options: MachineEngineOptions, owner: Owner): Promise<MachineEngines> {
  const { ports, log, directory, role, database } = options;
  const startedMs = ports.clock.mono();
  const journal = { writable: tellDisk(log, directory) };
  const local = await openSharedEngine({ ports, directory, role, name: `${role}-${ports.process.pid}`, journal });
  owner.own('engine', () => local.close(), closeMs);
  log.debug('the engine is open', { directory, owner: local.owner, took: Math.round(ports.clock.mono() - startedMs) });
  if (database === undefined) return { local, components: local };
  const components = await openDatabaseEngine(ports, database);
  owner.own('database engine', () => components.close(), closeMs);
  log.info('components keep their data in a database', { engine: describePlace(readEnginePlace(database, '/')) });
  return { local, components };
}

/** Callers are told with their errors; whoever looks after the machine reads the log. */
function tellDisk(log: Logger, directory: string): (problem: ProaError | undefined) => void {
  return (problem) => {
    if (problem === undefined) log.info('the journal is written again', { directory });
    else log.error('the journal cannot be written', { directory, error: problem.message, [logFields.hint]: problem.hint });
  };
}

async function openDatabaseEngine(ports: Ports, url: string): Promise<Engine> {
  const place = readEnginePlace(url, '/');
  if (place.kind !== 'postgres') throw new TypeError('a database has a URL');
  const { openPostgresEngine } = await import('../drivers/engine-postgres/engine-postgres.ts');
  return openPostgresEngine({ ports, address: place.url, ...(place.schema === undefined ? {} : { schema: place.schema }) });
}
