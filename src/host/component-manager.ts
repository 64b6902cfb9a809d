import type { Component, ComponentSet } from '../contracts/component-set.ts';
import type { DriverContext, DriverDefinition, DriverKind, DriverKinds } from '../contracts/driver.ts';
import type { Metrics } from '../contracts/metrics.ts';
import { isProaError, ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { labelNames, metricNames } from '../kernel/names.ts';
import type { Clock } from '../kernel/ports.ts';
import { createSecret, type Secret } from '../kernel/secret.ts';
import type { ComponentResource } from './config/model.ts';
import { openingOrder, resolveComponent, type ResolveContext } from './config/resolve-component.ts';

export interface ComponentManagerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly drivers: Readonly<Record<string, { load(): Promise<DriverDefinition> }>>;
  readonly resolve: Omit<ResolveContext, 'secret' | 'warn'>;
  readonly driverContext: (component: ComponentResource) => DriverContext;
  /** What blocks demand of components of a kind beyond the driver's own schema; throws `config.invalid`. */
  readonly checks?: { readonly [Kind in DriverKind]?: (component: Component<Kind>) => void };
}

/** A driver that was replaced stays open this long: calls that already have it come to their end. */
const lingerMs = 2_000;

type Change = { readonly added: readonly string[]; readonly removed: readonly string[] };
/** Replaced drivers that are about to be closed. */
interface Linger {
  ending: Promise<void> | undefined;
  now(): Promise<void>;
}
type Opened = Component<DriverKind> & { readonly kind: DriverKind };

/** Opens the components of one app, keeps them by kind, and exchanges them under hot reload. */
export interface ComponentManager {
  set<Kind extends DriverKind>(kind: Kind): ComponentSet<Kind>;
  all(): readonly Component<DriverKind>[];
  /** Opens in dependency order, secret stores first. Fails with the first component that cannot be opened and is not marked `ignoreErrors`. */
  open(components: readonly ComponentResource[]): Promise<void>;
  /**
   * Opens what is new beside what it replaces, exchanges them, tells the blocks, and closes the old two seconds after they let go of it. What cannot be
   * opened is logged, and the component that it should have replaced stays.
   */
  apply(change: { readonly added: readonly ComponentResource[]; readonly removed: readonly ComponentResource[] }): Promise<void>;
  close(): Promise<void>;
}

export function createComponentManager(options: ComponentManagerOptions): ComponentManager {
  return new Components(options);
}

class Components implements ComponentManager {
  readonly #options: ComponentManagerOptions;
  readonly #opened = new Map<string, Opened>();
  readonly #lingering = new Set<Linger>();
  readonly #listeners = new Map<DriverKind, Set<(change: Change) => Promise<void>>>();

  constructor(options: ComponentManagerOptions) {
    this.#options = options;
  }

  set<Kind extends DriverKind>(kind: Kind): ComponentSet<Kind> {
    const of = (component: Opened | undefined): Component<Kind> | undefined =>
      component !== undefined && component.kind === kind ? (component as unknown as Component<Kind>) : undefined;
    return {
      get: (name) => of(this.#opened.get(name)),
      list: () => [...this.#opened.values()].flatMap((component) => of(component) ?? []),
      onChange: (changed) => {
        const set = this.#listeners.get(kind) ?? new Set();
        this.#listeners.set(kind, set);
        set.add(changed);
        return () => set.delete(changed);
      },
    };
  }

  all(): readonly Component<DriverKind>[] {
    return [...this.#opened.values()];
  }

  async open(components: readonly ComponentResource[]): Promise<void> {
    for (const resource of openingOrder(components)) await this.#openOne(resource);
  }

  async apply({ added, removed }: Parameters<ComponentManager['apply']>[0]): Promise<void> {
    const old: Opened[] = [];
    const failed = new Set<string>();
    for (const resource of openingOrder(added)) {
      const before = this.#opened.get(resource.name);
      const opened = await this.#openOne(resource).catch((error: unknown) => {
        const stays = before === undefined ? '' : '; the previous one stays';
        this.#options.log.error(`${ProaError.from(error).message}${stays}`);
        return false;
      });
      if (!opened) failed.add(resource.name);
      else if (before !== undefined) old.push(before);
    }
    const kept = new Set(added.map(({ name }) => name));
    for (const { name } of removed) {
      const before = kept.has(name) ? undefined : this.#opened.get(name);
      if (before !== undefined) old.push(before);
      if (!kept.has(name)) this.#opened.delete(name);
    }
    await this.#tellAll({ added: added.filter(({ name }) => !failed.has(name)), removed: removed.filter(({ name }) => !failed.has(name)) });
    this.#retire(old);
  }

  async #tellAll({ added, removed }: Parameters<ComponentManager['apply']>[0]): Promise<void> {
    for (const kind of new Set([...added, ...removed].map((resource) => resource.kind))) {
      const names = (list: readonly ComponentResource[]): string[] =>
        list.filter((resource) => resource.kind === kind).map(({ name }) => name);
      await this.#tell(kind, { added: names(added), removed: names(removed) });
    }
  }

  #retire(old: readonly Opened[]): void {
    if (old.length === 0) return;
    const end = async (): Promise<void> => {
      this.#lingering.delete(linger);
      for (const component of old) await this.#closeOne(component);
    };
    const timer = this.#options.clock.timer(lingerMs, () => void (linger.ending ??= end()));
    const linger: Linger = {
      ending: undefined,
      now() {
        timer.cancel();
        return (linger.ending ??= end());
      },
    };
    this.#lingering.add(linger);
  }

  // Secret stores were opened first and close last.
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#lingering, (linger) => linger.now()));
    for (const component of [...this.#opened.values()].toReversed()) await this.#closeOne(component);
    this.#opened.clear();
  }

  /** False when it failed and may. */
  async #openOne(resource: ComponentResource): Promise<boolean> {
    const { metrics, log } = this.#options;
    metrics.counter(metricNames.componentInit, { [labelNames.component]: resource.type }).add(1);
    try {
      const opened = await openWithin(this.#options, resource, (store, name, key) => this.#secret(store, name, key));
      await this.#check(opened);
      this.#opened.set(resource.name, opened);
      metrics.counter(metricNames.componentLoaded, {}).add(1);
      return true;
    } catch (thrown) {
      const labels = { [labelNames.component]: resource.type, [labelNames.reason]: 'init', componentName: resource.name };
      metrics.counter(metricNames.componentInitFail, labels).add(1);
      const error = describe(resource, thrown);
      if (!resource.ignoreErrors) throw error;
      log.warn(error.message, { component: resource.name });
      return false;
    }
  }

  async #check(opened: Opened): Promise<void> {
    try {
      (this.#options.checks?.[opened.kind] as ((component: Component<DriverKind>) => void) | undefined)?.(opened);
    } catch (error) {
      await this.#closeOne(opened);
      throw error;
    }
  }

  async #secret(store: string, name: string, key: string): Promise<Secret | undefined> {
    const component = this.#opened.get(store);
    if (component === undefined || component.kind !== 'secretstores') {
      throw new ProaError('component.init-failed', `secret store "${store}" is not configured`);
    }
    const found = (await (component.driver as DriverKinds['secretstores']).get(name, {})) ?? {};
    const values = Object.values(found);
    const value = found[key] ?? (values.length === 1 && key === name ? values[0] : undefined);
    return value === undefined ? undefined : createSecret(value);
  }

  #tell(kind: DriverKind, change: Change): Promise<unknown> {
    return Promise.all([...(this.#listeners.get(kind) ?? [])].map((listener) => listener(change)));
  }

  async #closeOne(component: Opened): Promise<void> {
    try {
      await component.driver.close();
    } catch (error) {
      this.#options.log.warn(`component "${component.name}" did not close properly`, {
        component: component.name,
        error: ProaError.from(error).message,
      });
    }
  }
}

async function openWithin(
  options: ComponentManagerOptions,
  resource: ComponentResource,
  secret: ResolveContext['secret'],
): Promise<Opened> {
  const entry = options.drivers[resource.type];
  if (entry === undefined) throw new ProaError('component.init-failed', `there is no component type "${resource.type}"`);
  const definition = await entry.load();
  const resolved = await resolveComponent(resource, definition, {
    ...options.resolve,
    secret,
    warn: (message) => options.log.warn(message),
  });
  const driver = await within(
    options.clock,
    resource.initTimeoutMs,
    definition.open(resolved.config as never, options.driverContext(resource)),
  );
  const { name, type, version, kind } = resource;
  return { name, type, version, kind, properties: resolved.properties, secretNames: secretNamesOf(resource), definition, driver };
}

/** Which secret each property came from; encrypted state records carry that name. */
function secretNamesOf(resource: ComponentResource): Readonly<Record<string, string>> {
  return Object.fromEntries(resource.properties.flatMap(({ name, source }) => (source.from === 'secret' ? [[name, source.name]] : [])));
}

function within<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(timeoutMs, () => reject(new Error(`it was not ready within ${timeoutMs} ms (spec.initTimeout)`)));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

function describe(resource: ComponentResource, thrown: unknown): ProaError {
  if (isProaError(thrown) && thrown.code !== 'config.invalid' && thrown.message.includes(`"${resource.name}"`)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const hint = isProaError(thrown) ? thrown.hint : undefined;
  return new ProaError(
    isProaError(thrown) && thrown.code === 'config.invalid' ? thrown.code : 'component.init-failed',
    `component "${resource.name}" (${resource.type}, ${resource.origin}) cannot be started: ${message}`,
    {
      cause: thrown,
      ...(hint === undefined ? {} : { hint }),
    },
  );
}
