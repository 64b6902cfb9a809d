import { beforeEach, describe, expect, it } from 'vitest';
import type { Endpoint, Registry } from '../contracts/resolver.ts';
import {
  createMemoryRegistry,
  createMemoryRegistryContents,
  type MemoryRegistryContents,
} from '../drivers/resolver-memory/memory-registry.ts';
import { labelNames, metricNames } from '../kernel/names.ts';
import { recordingLogger } from '../testing/driver-context.ts';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.ts';
import { createLayeredRegistry } from './layered-registry.ts';
import { observedResolver } from './observed-resolver.ts';

const endpoint = (instance: string, more: Partial<Endpoint> = {}): Endpoint => ({
  appId: 'a',
  namespace: 'n',
  instance,
  mesh: { host: instance, port: 1 },
  ...more,
});

let clock: FakeClock;
let lines: string[];
let near: MemoryRegistryContents;
let far: MemoryRegistryContents;
let layered: Registry;
const over = (contents: MemoryRegistryContents) => createMemoryRegistry({ clock, log: recordingLogger(lines), contents });
const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};
const pass = async (ms: number) => {
  clock.advance(ms);
  await turns();
};
const instances = async () => (await layered.resolve('a', 'n')).endpoints.map(({ instance }) => instance);

beforeEach(() => {
  clock = createFakeClock();
  lines = [];
  [near, far] = [createMemoryRegistryContents(), createMemoryRegistryContents()];
  layered = createLayeredRegistry({
    local: over(near),
    wide: over(far),
    asked: true,
    wideName: 'wide',
    clock,
    log: recordingLogger(lines),
  });
});

describe('two registries as one', () => {
  it('answers at once what the machine knows, and tells when the wide registry knew more', async () => {
    await over(near).announce(endpoint('here'));
    await over(far).announce(endpoint('there'));
    const changes: string[] = [];
    layered.onChange((appId) => changes.push(appId));
    expect(await instances()).toEqual(['here']);
    await turns();
    expect(changes).toEqual(['a']);
    expect(await layered.resolve('a', 'n')).toMatchObject({ source: 'memory, memory' });
    expect(await instances()).toEqual(['here', 'there']);
  });

  it('waits for the wide registry when the machine knows nothing, and follows it', async () => {
    const leave = await over(far).announce(endpoint('there'));
    expect(await instances()).toEqual(['there']);
    const changes: string[] = [];
    layered.onChange((appId) => changes.push(appId));
    await over(far).announce(endpoint('elsewhere'));
    await turns();
    expect(changes).toEqual(['a']);
    expect(await instances()).toEqual(['there', 'elsewhere']);
    await leave();
    await turns();
    expect(await instances()).toEqual(['elsewhere']);
  });

  it('counts an endpoint once, with the sockets of this machine', async () => {
    const own = endpoint('here', { local: { path: '/here' } });
    await over(near).announce(own);
    await over(far).announce(endpoint('here'));
    await over(far).announce(endpoint('renamed', { mesh: { host: 'here', port: 1 } }));
    await instances();
    await turns();
    expect((await layered.resolve('a', 'n')).endpoints).toEqual([own]);
    expect(await layered.list()).toEqual([own]);
  });

  it('announces to both, and to the wide one as soon as it can be reached', async () => {
    far.failing = true;
    const leave = await layered.announce({ ...endpoint('own'), local: { path: '/own' } });
    await turns();
    expect(await over(near).list()).toHaveLength(1);
    expect(
      lines.some((line) => line.includes('the announcement of app \\"a\\"') || line.includes('the announcement of app "a" to wide broke')),
    ).toBe(true);
    far.failing = false;
    await pass(1_000);
    // A socket of this machine is nothing to others.
    expect(await over(far).list()).toEqual([endpoint('own')]);
    await leave();
    expect(await over(near).list()).toEqual([]);
    expect(await over(far).list()).toEqual([]);
  });

  it('keeps to itself what other machines cannot reach, and says so', async () => {
    await (
      await layered.announce({ appId: 'a', namespace: 'n', instance: 'i', local: { path: '/i' } })
    )();
    expect(far.entries.size).toBe(0);
    expect(lines.some((line) => line.includes('not announced to wide'))).toBe(true);
  });

  it('lives on what the machine knows while the wide registry fails', async () => {
    far.failing = true;
    await over(near).announce(endpoint('here'));
    expect(await instances()).toEqual(['here']);
    await turns();
    expect(await instances()).toEqual(['here']);
    await expect(layered.resolve('b', 'n')).rejects.toMatchObject({ code: 'unavailable' });
    expect(await layered.list()).toHaveLength(1);
  });

  it('closes the wide registry and leaves the local one open', async () => {
    await layered.close();
    await over(near).announce(endpoint('late'));
    expect(near.watchers.size).toBeGreaterThan(0);
    expect(far.watchers.size).toBe(0);
  });
});

describe('a resolver that is observed', () => {
  it('counts endpoints per app and says since when an answer is stale', async () => {
    const gauges = new Map<string, number>();
    const nothing = { add() {}, record() {} };
    const metrics = {
      counter: () => nothing,
      histogram: () => nothing,
      gauge: (name: string, labels: Readonly<Record<string, string>>) => ({
        set: (value: number) => void gauges.set(`${name} ${labels[labelNames.dstAppId]}`, value),
      }),
    };
    const resolver = observedResolver(over(far), metrics);
    await over(far).announce(endpoint('there'));
    await resolver.resolve('a', 'n');
    expect(gauges.get(`${metricNames.discoveryEndpoints} a`)).toBe(1);
    expect(gauges.get(`${metricNames.discoveryStaleSince} a`)).toBe(0);
    far.failing = true;
    await pass(3_000);
    await resolver.resolve('a', 'n');
    expect(gauges.get(`${metricNames.discoveryStaleSince} a`)).toBe(Math.floor(clock.now() / 1_000));
    await resolver.close();
  });
});
