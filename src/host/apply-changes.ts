import type { AppRuntime } from './app-runtime.ts';
import type { LoadedResources } from './config/model.ts';
import type { ResourcesDiff } from './config/watch-resources.ts';

/** Puts what changed in the files into effect in a runtime that goes on. What only another start can change is left as it is. */
export async function applyChanges(
  runtime: Pick<AppRuntime, 'blocks' | 'components' | 'state' | 'setResources' | 'setSubscriptions'>,
  { components, subscriptions, policies, current }: ResourcesDiff,
  graceMs: number,
): Promise<void> {
  const { blocks, components: manager, state } = runtime;
  runtime.setResources(current, policies);
  const changed = [...components.changed, ...ofChangedSecrets(components, current)];
  await manager.apply({ added: [...components.added, ...changed], removed: [...changed, ...components.removed] });
  if (subscriptions.added.length + subscriptions.changed.length + subscriptions.removed.length === 0) return;
  runtime.setSubscriptions(current.subscriptions.map((subscription) => subscription.spec));
  if (!state.appReady || state.channel === undefined) return;
  await blocks.pubsub.pause(graceMs);
  await blocks.pubsub.start();
}

/** What changed, in words. */
export function summaryOf(diff: Pick<ResourcesDiff, 'components' | 'subscriptions' | 'policies' | 'restart'>): string {
  if (diff.restart) return 'configuration changed: the runtime was restarted inside the process';
  const names = (list: readonly { readonly name: string }[]): string => list.map(({ name }) => name).join(', ');
  const both = (change: 'added' | 'changed' | 'removed') => [...diff.components[change], ...diff.subscriptions[change]];
  const [added, changed, removed] = [both('added'), both('changed'), both('removed')];
  return [
    ...(added.length > 0 ? [`added ${names(added)}`] : []),
    ...(changed.length > 0 ? [`changed ${names(changed)}`] : []),
    ...(removed.length > 0 ? [`removed ${names(removed)}`] : []),
    ...(diff.policies ? ['new policies'] : []),
  ].join('; ');
}

type Changes = ResourcesDiff['components'];

/** Components whose secrets come from a store that is another one now: they are opened again with what it says. */
function ofChangedSecrets({ added, changed }: Changes, current: LoadedResources): LoadedResources['components'] {
  const touched = new Set([...added, ...changed].map(({ name }) => name));
  const stores = new Set([...added, ...changed].filter(({ kind }) => kind === 'secretstores').map(({ name }) => name));
  const found: LoadedResources['components'][number][] = [];
  const dependents = () =>
    current.components.filter(({ name, secretStore }) => secretStore !== undefined && stores.has(secretStore) && !touched.has(name));
  // A secret store may take its own secrets from another one.
  for (let next = dependents(); next.length > 0; next = dependents()) {
    for (const component of next) {
      touched.add(component.name);
      if (component.kind === 'secretstores') stores.add(component.name);
      found.push(component);
    }
  }
  return found;
}
