import type { Resolver } from '../contracts/resolver.ts';
import { closest } from '../kernel/closest.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import type { LoadedResources } from './config/model.ts';

/** In that time the apps of a machine have started, in whatever order. */
const lookAfterMs = 30_000;

export interface AbsentTargetsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespace: string;
  /** Where calls look, too. */
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Ids of the apps that are known, for a guess at which one was meant. */
  readonly announced: () => Promise<readonly string[]>;
}

type Named = Pick<LoadedResources, 'policies' | 'httpEndpoints'>;

/**
 * Warns of policies for apps that nobody has announced. `proa run` knows its apps when it reads the files; a sidecar cannot know which apps others run, so it
 * looks for them some time after it has read its own, and tells each name once.
 */
export class AbsentTargets {
  readonly #options: AbsentTargetsOptions;
  readonly #told = new Set<string>();
  #timer: Timer | undefined;

  constructor(options: AbsentTargetsOptions) {
    this.#options = options;
  }

  /** What the files say now, in place of what they said before. */
  read(resources: Named): void {
    this.#timer?.cancel();
    const named = appsNamed(resources);
    for (const app of this.#told) named.delete(app);
    this.#timer = named.size === 0 ? undefined : this.#options.clock.timer(lookAfterMs, () => void this.#look(named));
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #look(named: ReadonlyMap<string, string>): Promise<void> {
    const { log, namespace, resolver, announced } = this.#options;
    const timer = this.#timer;
    for (const [app, where] of named) {
      // A registry that cannot be asked says nothing about anybody.
      const found = await resolver.resolve(app, namespace).catch(() => undefined);
      if (this.#timer !== timer || timer === undefined) return;
      if (found === undefined || found.endpoints.length > 0) continue;
      this.#told.add(app);
      const guess = closest(app, await announced().catch(() => []));
      log.warn(`${where}: no instance of app "${app}" is known${guess === undefined ? '' : `; did you mean "${guess}"?`}`);
    }
  }
}

/** The apps that policies and rollouts name, with the first place that does. */
function appsNamed({ policies: { rules, rollouts }, httpEndpoints }: Named): Map<string, string> {
  const named = new Map<string, string>();
  const add = (app: string, where: string): void => {
    // Those of other namespaces and URLs are not for this runtime's registry to know.
    const elsewhere = app === '*' || app.includes('.') || /^https?:/.test(app) || httpEndpoints.some(({ name }) => name === app);
    if (!elsewhere && !named.has(app)) named.set(app, where);
  };
  for (const { target, resource } of rules) if (target.kind === 'app') add(target.app, resource);
  for (const { plan, name } of rollouts) add(plan.app, `Rollout "${name}"`);
  return named;
}
