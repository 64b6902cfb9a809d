import type { Service } from '../kernel/service.ts';
import type { Component } from './component-set.ts';
import type { DriverKind } from './driver.ts';
import type { Govern, Target } from './governance.ts';

export interface GovernedOptions<Kind extends DriverKind, In, Out> {
  readonly govern: Govern;
  readonly block: string;
  readonly direction: Target['direction'];
  /** The bare service of one operation of one component. */
  serve(component: Component<Kind>, operation: string): Service<In, Out>;
}

/**
 * Compiles the stack of each component and operation at its first call and keeps it as long as the loaded component lives: a reloaded one is another
 * object and gets new stacks, and nothing has to be dropped by hand.
 */
export function governedServices<Kind extends DriverKind, In, Out>(
  options: GovernedOptions<Kind, In, Out>,
): (component: Component<Kind>, operation: string) => Service<In, Out> {
  const compiled = new WeakMap<Component<Kind>, Map<string, Service<In, Out>>>();
  return (component, operation) => {
    let operations = compiled.get(component);
    if (operations === undefined) compiled.set(component, (operations = new Map()));
    let service = operations.get(operation);
    if (service === undefined) {
      const target: Target = {
        block: options.block,
        name: component.name,
        operation,
        direction: options.direction,
        componentType: component.type,
      };
      service = options.govern(target, options.serve(component, operation));
      operations.set(operation, service);
    }
    return service;
  };
}
