import type { SharedCounts } from '../../contracts/places.ts';
import type { Answered, Questions } from './questions.ts';
import type { Address } from '../../kernel/ports.ts';

/** What one process of several that serve the same apps does with the others. `app` is the app's place in `HostOptions.apps`. */
export interface ProcessRole {
  /** The first process alone has the input bindings, the metrics port and the app's place in the registry; further ones are its workers. */
  readonly first: boolean;
  /** Under which address and name the first process is announced, and the socket that is its own, for processes that serve beside it; undefined in the first one. */
  readonly announced: { readonly socket: Address; readonly own: Address; readonly instances: readonly string[] } | undefined;
  /** What all processes count together; undefined: there is one. */
  readonly shared: Omit<SharedCounts, 'name'> | undefined;
  /** The app listens on `port` now; undefined: it has ended. */
  connected(app: number, port: number | undefined): Promise<void>;
  /** Metadata was set here and has to be known everywhere. */
  metadataPut(app: number, key: string, value: string): void;
  /** Asks all other processes; one that does not answer is left out. */
  ask<Q extends keyof Questions>(app: number, question: Q, input: Questions[Q]['input']): Promise<readonly Answered<Q>[]>;
  /** The metrics of all processes together, given those of this one. */
  exposition(app: number, format: 'prometheus' | 'openmetrics', own: string): Promise<string>;
  /** Runs a step that closes and opens an app's listeners, with no other process accepting on them. */
  alone(step: () => Promise<void>): Promise<void>;
  /** Told that the apps' runtimes have to end; false: that is this process's own matter. */
  shutdown(force: boolean): boolean;
  /** Where a log line goes; undefined: this process writes it itself. */
  readonly line?: (app: string, line: string) => void;
}

/** The role of a process that serves its apps alone. */
export const onlyProcess: ProcessRole = {
  first: true,
  announced: undefined,
  shared: undefined,
  connected: () => Promise.resolve(),
  metadataPut() {},
  ask: () => Promise.resolve([]),
  exposition: (_app, _format, own) => Promise.resolve(own),
  alone: (step) => step(),
  shutdown: () => false,
};
