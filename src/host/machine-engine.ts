import type { Engine } from '../contracts/engine.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';

export interface MachineEngineOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly directory: string;
  /** Who may own the journal: the host first, then sidecars. */
  readonly role: 'host' | 'sidecar';
}

/** The engine of this machine. */
export function openMachineEngine(options: MachineEngineOptions): Promise<Engine> {
  return Promise.resolve(createMemoryEngine({ clock: options.ports.clock }));
}
