import { property, type Component } from '../../contracts/component-set.ts';

export type Direction = 'input' | 'output';

/** The directions that a component's YAML asks for (`input`, `output`, or both with a comma); undefined when it leaves that open. */
function declared(component: Component<'bindings'>): readonly string[] | undefined {
  const text = property(component, 'direction');
  return text?.split(',').map((word) => word.trim().toLowerCase());
}

/** True when the driver can do it and the YAML does not limit the component to the other direction. */
export function serves(component: Component<'bindings'>, direction: Direction): boolean {
  return component.driver[direction] !== undefined && (declared(component)?.includes(direction) ?? true);
}

/** True when the YAML says that events are wanted, so that the app is not asked. */
export function declaresInput(component: Component<'bindings'>): boolean {
  return declared(component)?.includes('input') === true;
}

/** Where the app receives the component's events: `route`, else the component's name; without a leading slash. */
export function routeOf(component: Component<'bindings'>): string {
  return (property(component, 'route') ?? component.name).replace(/^\/+/, '');
}
