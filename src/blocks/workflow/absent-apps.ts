import type { Placement } from '../../contracts/placement.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { meant } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { Core } from './core.ts';
import type { Address } from './mail.ts';
import { groupOf } from './shard-keeper.ts';

export interface AbsentAppsParts {
  readonly core: Core;
  readonly placement: Placement;
  /** The apps that run, as far as is known here. */
  readonly announced: () => Promise<readonly Endpoint[]>;
}

/** Apps that are looked for, or were told about. */
const appsMax = 1_000;

/**
 * Says which apps nobody runs that workflows here wait for: what was asked of them is stored and waits for as long as it takes, time limits of attempts included, and nothing
 * else would ever tell. Each app is told once.
 */
export class AbsentApps {
  readonly #parts: AbsentAppsParts;
  readonly #minded = new Set<string>();

  constructor(parts: AbsentAppsParts) {
    this.#parts = parts;
  }

  /** Something durable waits for an instance, or for an activity of one, in another app. */
  waitedFor(at: Address): void {
    const group = groupOf(at);
    if (this.#minded.has(group) || this.#minded.size >= appsMax) return;
    this.#minded.add(group);
    this.#tell(group, at)
      .then((told) => told || this.#minded.delete(group))
      .catch((error: unknown) => {
        // Whoever keeps the engine tells that it is away.
        this.#minded.delete(group);
        this.#parts.core.log.debug('an app could not be looked for', { [logFields.error]: ProaError.from(error).message });
      });
  }

  async #tell(group: string, { appId, namespace, instanceId }: Address): Promise<boolean> {
    const { core, placement, announced } = this.#parts;
    const found = await placement.locate(group, instanceId);
    // It may be about to start, or to be taken over; and one that is there is not looked for with each turn.
    await new Promise<void>((resolve) => void core.clock.timer(placement.ttlMs, resolve, true));
    if (found !== undefined || core.closed || (await placement.locate(group, instanceId)) !== undefined) return false;
    const apps = (await announced()).filter((endpoint) => endpoint.namespace === namespace).map((endpoint) => endpoint.appId);
    const where = namespace === core.self.namespace ? '' : ` in namespace "${namespace}"`;
    core.log.warn(`no runtime of app "${appId}"${where} takes workflows or activities; what is asked of it waits`, hintFor(appId, apps));
    return true;
  }
}

function hintFor(appId: string, apps: readonly string[]): Readonly<Record<string, string>> {
  if (apps.includes(appId)) return { [logFields.hint]: 'the app runs, but has no worker for workflows' };
  return { [logFields.hint]: meant(appId, new Set(apps)).hint ?? 'is it running? `proa list` shows the apps that are' };
}
