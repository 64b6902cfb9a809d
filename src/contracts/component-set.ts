import { meant } from '../kernel/closest.ts';
import { reveal, type Secret } from '../kernel/secret.ts';
import type { DriverDefinition, DriverKind, DriverKinds } from './driver.ts';

/** A component that is loaded: its YAML, its driver's definition and the opened driver. */
export interface Component<Kind extends DriverKind> {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  /** Every property of its YAML, with names as written; what came from a secret or the environment stays hidden. Look up with `property`. */
  readonly properties: Readonly<Record<string, string | Secret>>;
  /** For properties that came from a secret: the property's name as written to the secret's name. State encryption writes it into records. */
  readonly secretNames?: Readonly<Record<string, string>>;
  readonly definition: DriverDefinition<Kind>;
  readonly driver: DriverKinds[Kind];
}

/** The loaded components of one kind. It changes under hot reload; blocks ask it per call and drop what they cached when `onChange` fires. */
export interface ComponentSet<Kind extends DriverKind> {
  get(name: string): Component<Kind> | undefined;
  list(): readonly Component<Kind>[];
  /** `added` and `removed` hold names; a changed component is in both. A removed driver is closed only after the listeners' promises resolved. */
  onChange(changed: (change: { readonly added: readonly string[]; readonly removed: readonly string[] }) => Promise<void>): () => void;
}

/** The hint of an error about a component that the app does not have: which one was probably meant, or which there are. */
export function nearestOf(name: string, components: readonly Pick<Component<DriverKind>, 'name'>[]): { readonly hint?: string } {
  return meant(
    name,
    components.map((component) => component.name),
  );
}

/** A property by name, without regard to case; undefined when absent or empty. */
export function property(component: Pick<Component<DriverKind>, 'properties'>, name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const [key, value] of Object.entries(component.properties)) {
    if (key.toLowerCase() === wanted) return reveal(value) || undefined;
  }
  return undefined;
}

/** A fixed set, for tests and for callers without hot reload. */
export function fixedComponents<Kind extends DriverKind>(components: readonly Component<Kind>[]): ComponentSet<Kind> {
  const byName = new Map(components.map((component) => [component.name, component]));
  return { get: (name) => byName.get(name), list: () => [...byName.values()], onChange: () => () => {} };
}
