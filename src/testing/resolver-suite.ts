import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eligible, type Endpoint, type Registry } from '../contracts/resolver.ts';

/** A registry server, real or not, and processes that use it. */
export interface ResolverRig {
  /** The registry as one more process sees it. */
  open(): Promise<Registry>;
  /** Makes an endpoint known, and unknown again with the answer. Absent: another process announces it. */
  place?(endpoint: Endpoint): Promise<() => Promise<void>>;
  /** Lets time pass: a fake clock and a turn, or a short real wait. */
  pass(ms: number): Promise<void>;
  /** The process behind this registry dies: nothing is withdrawn, nothing renewed. Absent: closing it is the same. */
  kill?(registry: Registry): Promise<void>;
  /** Takes the server away until the answer is called. */
  fail?(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** What a resolver can do beside resolving; what is not named is not tried. */
export type ResolverAbility =
  /** Processes announce themselves; what dies leaves within `leaseMs`. */
  | 'announce'
  /** Namespaces keep apps of one name apart. */
  | 'namespaces'
  /** Zone, weight, version and metadata arrive as they were announced. */
  | 'facts'
  /** `list` knows everything that is announced. */
  | 'list'
  /** `rig.fail` can be used. */
  | 'stale';

export interface ResolverSuiteOptions {
  readonly name: string;
  readonly rig: () => Promise<ResolverRig>;
  readonly can: readonly ResolverAbility[];
  /** What vanished is gone after this time, and what is new is seen. */
  readonly leaseMs: number;
  /** Endpoints of this rig: two of app `a` in namespace `n`. */
  readonly example?: (instance: 'one' | 'two') => Endpoint;
}

const plain = (instance: string): Endpoint => ({
  appId: 'a',
  namespace: 'n',
  instance,
  mesh: { host: instance === 'one' ? '10.0.0.1' : '10.0.0.2', port: 50_002 },
});

/** The contract of `contracts/resolver.ts`. */
export function resolverSuite({ name, rig: makeRig, can, leaseMs, example = plain }: ResolverSuiteOptions): void {
  // Real servers take real time.
  describe(`resolver: ${name}`, { timeout: 300_000 }, () => {
    let rig: ResolverRig;
    let opened: Registry[];
    const open = async (): Promise<Registry> => {
      const registry = await rig.open();
      opened.push(registry);
      return registry;
    };
    const place = async (endpoint: Endpoint): Promise<() => Promise<void>> =>
      rig.place === undefined ? (await open()).announce(endpoint) : rig.place(endpoint);
    // What a registry calls sick has left as far as callers are concerned.
    const found = async (registry: Registry, namespace = 'n') =>
      eligible((await registry.resolve('a', namespace)).endpoints)
        .map((endpoint) => JSON.stringify(endpoint.mesh))
        .toSorted();
    const meshes = (...instances: ('one' | 'two')[]) => instances.map((instance) => JSON.stringify(example(instance).mesh)).toSorted();
    const eventually = async (check: () => Promise<boolean>): Promise<boolean> => {
      for (let passed = 0; passed <= leaseMs; passed += leaseMs / 20) {
        if (await check()) return true;
        await rig.pass(leaseMs / 20);
      }
      return check();
    };
    const sees = (registry: Registry, ...instances: ('one' | 'two')[]) =>
      eventually(async () => JSON.stringify(await found(registry)) === JSON.stringify(meshes(...instances)));
    const when = (ability: ResolverAbility) => (name: string, body: () => Promise<void>) => {
      if (can.includes(ability)) it(name, body);
    };
    const cases = { when, open, place, found, sees, eventually, meshes };

    beforeEach(async () => {
      rig = await makeRig();
      opened = [];
    });
    afterEach(async () => {
      for (const registry of opened) await registry.close();
      await rig.close();
    });

    it('answers an empty set for an app that nobody knows, and says who answered', async () => {
      const set = await (await open()).resolve('nobody', 'n');
      expect(set.endpoints).toEqual([]);
      expect(set.source).not.toBe('');
      expect(set.staleSinceMs).toBeUndefined();
    });

    it('finds an endpoint, sees another one come, and both go', async () => {
      const here = await open();
      const leaveOne = await place(example('one'));
      expect(await sees(here, 'one')).toBe(true);
      const changes: string[] = [];
      const stop = here.onChange((appId, namespace) => changes.push(`${appId}.${namespace}`));
      const leaveTwo = await place(example('two'));
      expect(await sees(here, 'one', 'two')).toBe(true);
      expect(changes).toContain('a.n');
      await leaveOne();
      expect(await sees(here, 'two')).toBe(true);
      stop();
      const before = changes.length;
      await leaveTwo();
      expect(await sees(here)).toBe(true);
      expect(changes).toHaveLength(before);
    });

    it('closes twice without harm', async () => {
      const registry = await open();
      await place(example('one'));
      await registry.resolve('a', 'n');
      await registry.close();
      await registry.close();
    });

    announceCases(cases, { rig: () => rig, example, leaseMs });
    moreCases(cases, { rig: () => rig, example, leaseMs });
  });
}

interface Cases {
  when(ability: ResolverAbility): (name: string, body: () => Promise<void>) => void;
  open(): Promise<Registry>;
  place(endpoint: Endpoint): Promise<() => Promise<void>>;
  found(registry: Registry, namespace?: string): Promise<string[]>;
  sees(registry: Registry, ...instances: ('one' | 'two')[]): Promise<boolean>;
  eventually(check: () => Promise<boolean>): Promise<boolean>;
  meshes(...instances: ('one' | 'two')[]): string[];
}

interface Given {
  rig(): ResolverRig;
  example(instance: 'one' | 'two'): Endpoint;
  readonly leaseMs: number;
}

function announceCases({ when, open, sees, found, meshes }: Cases, { rig, example, leaseMs }: Given): void {
  when('announce')('forgets within its lease what a killed process announced, and keeps what lives', async () => {
    const [here, dying, living] = [await open(), await open(), await open()];
    await dying.announce(example('one'));
    await living.announce(example('two'));
    expect(await sees(here, 'one', 'two')).toBe(true);
    await (rig().kill?.(dying) ?? dying.close());
    expect(await sees(here, 'two')).toBe(true);
    for (let i = 0; i < 8; i++) {
      const beganMs = performance.now();
      await rig().pass(leaseMs / 8);
      // A machine that stood still loses its leases rightly: then what lives has to come back.
      if (performance.now() - beganMs < leaseMs / 4) expect(await found(here)).toEqual(meshes('two'));
      else
        expect(
          await rig()
            .pass(leaseMs / 8)
            .then(() => sees(here, 'two')),
        ).toBe(true);
    }
  });

  when('announce')('takes the end of an announcement twice', async () => {
    const here = await open();
    const leave = await here.announce(example('one'));
    await leave();
    await leave();
    expect(await sees(here)).toBe(true);
  });
}

function moreCases({ when, open, place, sees, found, eventually }: Cases, { rig, example }: Given): void {
  when('facts')('carries zone, weight, version and metadata', async () => {
    const here = await open();
    const endpoint: Endpoint = { ...example('one'), zone: 'west', weight: 7, version: 'v2', metadata: { team: 'orders' } };
    await place(endpoint);
    expect(await sees(here, 'one')).toBe(true);
    const [seen] = (await here.resolve('a', 'n')).endpoints;
    expect(seen).toMatchObject({ appId: 'a', namespace: 'n', zone: 'west', weight: 7, version: 'v2', metadata: { team: 'orders' } });
  });

  when('namespaces')('keeps namespaces apart', async () => {
    const here = await open();
    await place(example('one'));
    expect(await sees(here, 'one')).toBe(true);
    expect(await found(here, 'other')).toEqual([]);
  });

  when('list')('lists what is announced', async () => {
    const here = await open();
    await place(example('one'));
    expect(await eventually(async () => (await here.list()).length === 1)).toBe(true);
  });

  when('stale')('keeps the last good answer while the server is away, marked stale, and recovers', async () => {
    const here = await open();
    const leave = await place(example('one'));
    expect(await sees(here, 'one')).toBe(true);
    const heal = await rig().fail?.();
    expect(await eventually(async () => (await here.resolve('a', 'n')).staleSinceMs !== undefined)).toBe(true);
    expect(await sees(here, 'one')).toBe(true);
    await heal?.();
    expect(await eventually(async () => (await here.resolve('a', 'n')).staleSinceMs === undefined)).toBe(true);
    await leave();
    expect(await sees(here)).toBe(true);
  });
}
