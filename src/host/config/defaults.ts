import type { ComponentResource } from './model.ts';

/**
 * When embedded components stand in:
 * - `never`: only what files say, as daprd does.
 * - `when-empty`: as long as no file defines any component. A sidecar that was given components must not get more than those, or an app would
 *   work on a laptop by accident and fail in production.
 * - `missing-kinds`: every kind that files leave out. For `proa run`, whose promise is that every API answers at once.
 */
export type DefaultsMode = 'never' | 'when-empty' | 'missing-kinds';

const embedded = [
  { name: 'statestore', kind: 'state', type: 'state.proa' },
  { name: 'pubsub', kind: 'pubsub', type: 'pubsub.proa' },
  { name: 'lockstore', kind: 'lock', type: 'lock.proa' },
  { name: 'configstore', kind: 'configuration', type: 'configuration.proa' },
  { name: 'secretstore', kind: 'secretstores', type: 'secretstores.local.env' },
] as const;

function resource(from: (typeof embedded)[number]): ComponentResource {
  return {
    ...from,
    namespace: '',
    scopes: [],
    origin: 'embedded default',
    version: 'v1',
    ignoreErrors: false,
    initTimeoutMs: 30_000,
    properties: [],
  };
}

/**
 * The embedded components that join the written ones. `written` holds all components of the files, also those that are scoped to
 * other apps: a store that exists for others only must not be replaced by another one of the same kind. A name that is taken is skipped.
 */
export function embeddedDefaults(mode: DefaultsMode, written: readonly Pick<ComponentResource, 'kind' | 'name'>[]): ComponentResource[] {
  if (mode === 'never' || (mode === 'when-empty' && written.length > 0)) return [];
  const kinds = new Set<string>(written.map(({ kind }) => kind));
  const names = new Set(written.map(({ name }) => name));
  return embedded.filter(({ kind, name }) => !kinds.has(kind) && !names.has(name)).map(resource);
}
