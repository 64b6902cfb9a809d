import { ProaError } from '../kernel/errors.ts';
import { property, type Component } from './component-set.ts';

/** Refuses a component that asks to keep actors' state and cannot do it safely. Fails with `config.invalid`. */
export function checkActorStore(component: Component<'state'>): void {
  if (!keepsActors(component)) return;
  const missing = (['ETAG', 'TRANSACTIONAL'] as const).filter((each) => !component.driver.capabilities.includes(each));
  if (missing.length === 0) return;
  throw new ProaError(
    'config.invalid',
    `component "${component.name}" (${component.type}) asks to keep the state of actors (actorStateStore), but it has no ${missing.map((each) => (each === 'ETAG' ? 'etags' : 'transactions')).join(' and no ')}`,
    {
      hint: 'a turn that lost its actor could overwrite the next one; leave actorStateStore out to use the built-in store, or use state.proa',
    },
  );
}

/** True for the component that `actorStateStore` chooses. */
export function keepsActors(component: Component<'state'>): boolean {
  return property(component, 'actorStateStore')?.toLowerCase() === 'true';
}
