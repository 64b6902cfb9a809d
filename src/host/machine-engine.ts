import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { openSharedEngine } from './engine/open-shared-engine.ts';
import type { SharedEngine } from './engine/shared-engine.ts';

export interface MachineEngineOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly directory: string;
  /** Who may own the journal: the host first, then sidecars. */
  readonly role: 'host' | 'sidecar';
}

/** The engine of this machine: the journal in `directory`, owned by this process or reached through its owner. */
export async function openMachineEngine({ ports, log, directory, role }: MachineEngineOptions): Promise<SharedEngine> {
  const startedMs = ports.clock.mono();
  const engine = await openSharedEngine({ ports, directory, role, name: `${role}-${ports.process.pid}` });
  log.debug('the engine is open', { directory, owner: engine.owner, took: Math.round(ports.clock.mono() - startedMs) });
  return engine;
}
