import type { JournalOptions } from '../../drivers/engine-journal/open-journal.ts';
import type { Ports } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { createJournalStore } from './journal-store.ts';
import { openMeetingPlace } from './meeting-place.ts';
import type { EngineRole } from './seat.ts';
import { shareEngine, type SharedEngine } from './shared-engine.ts';

export interface OpenSharedEngineOptions {
  readonly ports: Ports;
  /** On a local disk, made when missing; `journal/` and `owners/` are made below it. One directory is one engine. */
  readonly directory: string;
  readonly role: EngineRole;
  /** Names this process to the owner, in errors: an app's id, `host` ... */
  readonly name: string;
  /** Prefixes outside of which this process may neither read nor write while it is a client. */
  readonly scope?: readonly Key[];
  readonly journal?: JournalOptions;
  /** How long an owner may be silent before another process takes over. Default 2 s. */
  readonly silenceMs?: number;
  /** How long a call waits for an owner. Default 15 s. */
  readonly deadlineMs?: number;
}

/**
 * The engine of this machine: its journal, owned by one of the processes that share `directory`, and reached through that one by the
 * others. Fails with `config.invalid` (network file system, no room for a socket's path), `component.init-failed` or `engine.read-only`
 * (the directory cannot be written), `engine.corrupt`, `engine.format`, or with what the owner has against this client.
 */
export async function openSharedEngine(options: OpenSharedEngineOptions): Promise<SharedEngine> {
  const { ports, directory, journal, ...rest } = options;
  const meeting = await openMeetingPlace(ports, directory);
  const store = createJournalStore(ports, `${directory}/journal`, journal);
  return shareEngine({ ...rest, ports, store, meeting });
}
