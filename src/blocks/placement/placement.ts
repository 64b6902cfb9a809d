import type { Engine } from '../../contracts/engine.ts';
import { Liveness } from '../../contracts/liveness.ts';
import type { JoinOptions, Located, Membership, Placement } from '../../contracts/placement.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { isPlacementTtl, placementTtl } from '../../kernel/placement-ttl.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { encodeShards, placementKeys, shardsOf } from './group-table.ts';
import { Locator } from './locator.ts';
import { Member } from './member.ts';

export interface PlacementOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where other runtimes reach this one; asked at the first `join`. Its instance names this runtime and must be unique per start. */
  readonly endpoint: () => Endpoint;
  /** Names this machine: sockets in the records of members are used on the same machine only. */
  readonly machine: string;
  /** Default and bounds: `placementTtl`. The TTL of a runtime holds for its own shards; others may have another one. */
  readonly ttlMs?: number;
}

const groupCharsMax = 256;
const shardsMax = 1_024;
/** Every so many ticks the tables are read although nothing hinted at a change. */
const ticksPerPoll = 3;

/** See the contract. One lease for all groups; nothing is written or polled before the first `join`. Fails with `bad-request` for a TTL out of bounds. */
export function createPlacement(options: PlacementOptions): Placement {
  return new LeasedPlacement(options);
}

class LeasedPlacement implements Placement {
  readonly #options: PlacementOptions;
  readonly ttlMs: number;
  readonly #members = new Map<string, Member>();
  readonly #seen = new Map<string, Promise<boolean>>();
  #self: { readonly endpoint: Endpoint; readonly liveness: Liveness } | undefined;
  #locator: Locator | undefined;
  #ticks = 0;
  #tick: Timer | undefined;
  #closed = false;

  constructor(options: PlacementOptions) {
    this.#options = options;
    this.ttlMs = options.ttlMs ?? placementTtl.usualMs;
    if (!isPlacementTtl(this.ttlMs))
      throw new ProaError(
        'bad-request',
        `the TTL of placement is ${placementTtl.minMs} ms to ${placementTtl.maxMs / 60_000} min, not ${this.ttlMs} ms`,
      );
  }

  async join(join: JoinOptions): Promise<Membership> {
    this.#check(join);
    const { engine, machine } = this.#options;
    const { group } = join;
    const { endpoint, liveness } = this.#here();
    this.#arm();
    await liveness.ensure();
    const shards = await this.#ensureGroup(group, join.shards);
    if (this.#members.has(group)) throw new ProaError('bad-request', `this runtime is in the group ${group} already`);
    const unwatch = engine.watch(placementKeys.table(group), () => member.wake());
    const unlink = liveness.onChange((alive) => alive && member.wake());
    const left = (): void => {
      unwatch();
      unlink();
      this.#members.delete(group);
    };
    const member: Member = new Member({
      ...this.#options,
      liveness,
      ttlMs: this.ttlMs,
      runtime: endpoint.instance,
      record: { endpoint, machine },
      join,
      shards,
      expired: (runtime) => this.#expired(runtime),
      left,
    });
    this.#members.set(group, member);
    try {
      await member.start();
    } catch (error) {
      left();
      await member.abandon();
      throw error;
    }
    return member;
  }

  locate(group: string, key: string): Promise<Located | undefined> {
    if (this.#closed) return Promise.reject(closed());
    this.#arm();
    return this.#locations().locate(group, key);
  }

  refused(group: string, key: string): void {
    this.#locator?.refused(group, key);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.cancel();
    const leaving = await Promise.allSettled(Array.from(this.#members.values(), (member) => member.leave()));
    for (const each of leaving)
      if (each.status === 'rejected') this.#options.log.warn('a group could not be left', { error: String(each.reason) });
    this.#locator?.close();
    await this.#self?.liveness.close();
  }

  #check({ group, shards }: JoinOptions): void {
    if (this.#closed) throw closed();
    if (group.length === 0 || group.length > groupCharsMax)
      throw new ProaError('bad-request', `the name of a group has 1 to ${groupCharsMax} characters`);
    if (!Number.isInteger(shards) || shards < 1 || shards > shardsMax)
      throw new ProaError('bad-request', `a group has 1 to ${shardsMax} shards, not ${shards}`);
  }

  #here(): { readonly endpoint: Endpoint; readonly liveness: Liveness } {
    if (this.#self !== undefined) return this.#self;
    const endpoint = this.#options.endpoint();
    const liveness = new Liveness({ ...this.#options, leaseOf: placementKeys.lease, holder: endpoint.instance, ttlMs: this.ttlMs });
    this.#self = { endpoint, liveness };
    return this.#self;
  }

  #locations(): Locator {
    this.#locator ??= new Locator({ ...this.#options, runtime: this.#options.endpoint().instance });
    return this.#locator;
  }

  async #ensureGroup(group: string, shards: number): Promise<number> {
    const { engine } = this.#options;
    const key = placementKeys.group(group);
    for (;;) {
      const existing = await engine.get(key);
      if (existing !== undefined) return shardsOf(existing);
      // Whoever wins, and whether the outcome is known or not: the next round reads it.
      await engine.commit({ if: [{ kind: 'version', key, version: 0 }], put: [{ key, value: encodeShards(shards) }] });
    }
  }

  #arm(): void {
    this.#tick ??= this.#options.clock.timer(this.ttlMs / 3, () => this.#ticked(), true);
  }

  #ticked(): void {
    this.#tick = undefined;
    if (this.#closed) return;
    this.#arm();
    this.#seen.clear();
    const whole = ++this.#ticks % ticksPerPoll === 0;
    for (const member of this.#members.values()) member.poll(whole);
    if (whole) this.#locator?.poll();
  }

  /** Many groups ask about the same runtimes: once per tick is enough. */
  #expired(runtime: string): Promise<boolean> {
    let seen = this.#seen.get(runtime);
    if (seen === undefined) this.#seen.set(runtime, (seen = this.#here().liveness.expired(runtime)));
    return seen;
  }
}

function closed(): ProaError {
  return new ProaError('unavailable', 'this runtime stops');
}
