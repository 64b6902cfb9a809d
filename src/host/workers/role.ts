import type { Permits } from '../../fronts/app/permits.ts';

/** What one process of several that serve the same apps does with the others. `app` is the app's place in `HostOptions.apps`. */
export interface ProcessRole {
  /** The first process alone has the input bindings and the metrics port; further ones are its workers. */
  readonly first: boolean;
  /** Places in the app that all processes share; undefined: there is no limit, or one process. */
  permits(app: number): Permits | undefined;
  /** Metadata was set here and has to be known everywhere. */
  metadataPut(app: number, key: string, value: string): void;
  /** Ends a configuration subscription that was made at another process; false when nobody knows it. */
  unsubscribe(app: number, store: string, id: string): Promise<boolean>;
  /** The metrics of all processes together, given those of this one. */
  exposition(app: number, format: 'prometheus' | 'openmetrics', own: string): Promise<string>;
  /** Runs a step that closes and opens an app's listeners, with no other process accepting on them. */
  alone(step: () => Promise<void>): Promise<void>;
  /** The apps' resources changed. */
  changed(): void;
}

/** The role of a process that serves its apps alone. */
export const onlyProcess: ProcessRole = {
  first: true,
  permits: () => undefined,
  metadataPut() {},
  unsubscribe: () => Promise.resolve(false),
  exposition: (_app, _format, own) => Promise.resolve(own),
  alone: (step) => step(),
  changed() {},
};
