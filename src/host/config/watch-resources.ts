import type { Clock, Timer } from '../../kernel/ports.ts';
import { loadResources, type LoadOptions } from './load-resources.ts';
import type { LoadedResources, ResourceHead } from './model.ts';
import { hasErrors } from './problem.ts';

export interface ResourceChange<T> {
  readonly added: readonly T[];
  readonly changed: readonly T[];
  readonly removed: readonly T[];
}

export interface ResourcesDiff {
  readonly components: ResourceChange<LoadedResources['components'][number]>;
  readonly subscriptions: ResourceChange<LoadedResources['subscriptions'][number]>;
  /** Policies differ, those of workflows included: they are exchanged in place. */
  readonly policies: boolean;
  /** Configuration or HTTPEndpoint differ: the runtime restarts inside the process (Dapr reference 10.6). */
  readonly restart: boolean;
  /** The new state as a whole. */
  readonly current: LoadedResources;
}

export interface WatchOptions extends LoadOptions {
  readonly clock: Clock;
  /** What is in effect now. */
  readonly initial: LoadedResources;
  /** Full comparison also without hints; default 60 s. */
  readonly reconcileMs?: number;
  /** A change took effect on disk. The next comparison waits for the promise. */
  changed(diff: ResourcesDiff): Promise<void>;
  /** The files have errors now: what was loaded stays. Told once per distinct set of problems. */
  rejected(resources: LoadedResources): void;
  /** The files had errors, and are again as what is in effect. */
  mended(): void;
}

/** Editors write in several steps: wait this long after the last hint. */
const settleMs = 200;
/** A folder where something is written all the time never comes to rest: a hint waits no longer. */
const hintMsMax = 2_000;

/** Spans and origins are where something stands, not what it says: they must not count as a change. */
function fingerprint(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => (['at', 'valueAt', 'origin', 'origins'].includes(key) ? undefined : inner));
}

function compare<T extends ResourceHead>(before: readonly T[], after: readonly T[]): ResourceChange<T> {
  const old = new Map(before.map((resource) => [resource.name, resource]));
  const now = new Set(after.map(({ name }) => name));
  return {
    added: after.filter(({ name }) => !old.has(name)),
    changed: after.filter((resource) => {
      const was = old.get(resource.name);
      return was !== undefined && fingerprint(was) !== fingerprint(resource);
    }),
    removed: before.filter(({ name }) => !now.has(name)),
  };
}

/** What differs; undefined when nothing does. */
export function diffResources(before: LoadedResources, after: LoadedResources): ResourcesDiff | undefined {
  const components = compare(before.components, after.components);
  const subscriptions = compare(before.subscriptions, after.subscriptions);
  const settings = (from: LoadedResources): string => fingerprint([from.configuration, from.httpEndpoints]);
  const restart = settings(before) !== settings(after);
  const rules = (from: LoadedResources): string => fingerprint([from.policies, from.workflowAccess]);
  const policies = rules(before) !== rules(after);
  const touched = [components, subscriptions].some(({ added, changed, removed }) => added.length + changed.length + removed.length > 0);
  return touched || policies || restart ? { components, subscriptions, policies, restart, current: after } : undefined;
}

/** Follows the files: hints of the disk and, because hints may be missed, a full comparison every `reconcileMs`. */
export class ResourceWatch {
  readonly #options: WatchOptions;
  readonly #watchers: { close(): void }[] = [];
  #current: LoadedResources;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #lastRejected = '';
  /** When the first hint came that no comparison has followed yet. */
  #hintedMono: number | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#current = options.initial;
    for (const path of [...options.paths, ...(options.configPaths ?? [])]) this.#watch(path);
    this.#schedule(options.reconcileMs ?? 60_000);
  }

  /** Ends; resolves when a comparison under way is done. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const watcher of this.#watchers) watcher.close();
    await this.#running;
  }

  #watch(path: string): void {
    try {
      this.#watchers.push(this.#options.disk.watch(path, () => this.#hinted()));
    } catch {
      // A path that cannot be watched (it does not exist yet) is found by the comparison.
    }
  }

  #hinted(): void {
    const mono = this.#options.clock.mono();
    this.#hintedMono ??= mono;
    this.#schedule(Math.max(0, Math.min(settleMs, this.#hintedMono + hintMsMax - mono)));
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(delayMs, () => this.#start(), true);
  }

  #start(): void {
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#hintedMono = undefined;
    this.#running = this.#reconcile().finally(() => {
      this.#running = undefined;
      const soon = this.#again;
      this.#again = false;
      this.#schedule(soon ? settleMs : (this.#options.reconcileMs ?? 60_000));
    });
  }

  async #reconcile(): Promise<void> {
    const loaded = await loadResources(this.#options);
    if (this.#closed) return;
    if (hasErrors(loaded.problems)) {
      const problems = loaded.problems.map(({ message }) => message).join('\n');
      if (problems !== this.#lastRejected) this.#options.rejected(loaded);
      this.#lastRejected = problems;
      return;
    }
    const mended = this.#lastRejected !== '';
    this.#lastRejected = '';
    const diff = diffResources(this.#current, loaded);
    if (diff === undefined) {
      if (mended) this.#options.mended();
      return;
    }
    this.#current = loaded;
    await this.#options.changed(diff);
  }
}

/** Starts to follow the files; see `ResourceWatch`. */
export function watchResources(options: WatchOptions): ResourceWatch {
  return new ResourceWatch(options);
}
