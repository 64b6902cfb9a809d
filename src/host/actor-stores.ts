import { checkActorStore, keepsActors } from '../contracts/actor-store.ts';
import type { Component, ComponentSet } from '../contracts/component-set.ts';
import { ProaError } from '../kernel/errors.ts';

/** Refuses components that cannot keep actors' state, and several that would. Fails with `config.invalid`. */
export function checkActorStores(component: Component<'state'>, others: ComponentSet<'state'>): void {
  checkActorStore(component);
  const other = others.list().find((each) => keepsActors(each) && each.name !== component.name);
  if (!keepsActors(component) || other === undefined) return;
  throw new ProaError('config.invalid', `both "${other.name}" and "${component.name}" ask to keep the state of actors (actorStateStore)`, {
    hint: 'leave it at one of them',
  });
}
