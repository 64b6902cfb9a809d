import { describe, expect, it } from 'vitest';
import * as v from 'valibot';
import type { DriverDefinition } from '../../contracts/driver.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { settle } from '../../testing/test-process.ts';
import { loadResources } from './load-resources.ts';
import type { ResourcesDiff } from './watch-resources.ts';
import { watchResources } from './watch-resources.ts';

const definition = {
  kind: 'state',
  types: ['state.x'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config: v.looseObject({}),
} as unknown as DriverDefinition;
const drivers = { 'state.x': { kind: 'state' as const, load: async () => definition } };
const component = (name: string, value: string) =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ${name}}\nspec: {type: state.x, metadata: [{name: a, value: ${value}}]}\n`;

describe('watching resources', () => {
  it('yields what changed, keeps the old state while files are broken, and notices without hints too', async () => {
    const disk = createMemoryDisk({ '/r/a.yaml': component('a', '1'), '/r/b.yaml': component('b', '1') });
    const options = { disk, paths: ['/r'], appId: 'x', drivers };
    const events: (ResourcesDiff | string)[] = [];
    const waiting: (() => void)[] = [];
    const next = () => new Promise<void>((resolve) => void waiting.push(resolve));
    const record = (event: ResourcesDiff | string): void => {
      events.push(event);
      waiting.shift()?.();
    };
    const watch = watchResources({
      ...options,
      // No hints at all: only the comparison can notice.
      disk: { ...disk, watch: () => ({ close() {} }) },
      clock: nodeClock,
      initial: await loadResources(options),
      reconcileMs: 20,
      changed: async (diff) => record(diff),
      rejected: ({ problems }) => record(problems[0]!.message),
      mended: () => record('mended'),
    });
    disk.put('/r/b.yaml', component('b', '2'));
    disk.put('/r/a.yaml', `# moved by a line\n${component('a', '1')}`);
    await next();
    expect(events[0]).toMatchObject({ restart: false, components: { added: [], removed: [], changed: [{ name: 'b' }] } });
    disk.put('/r/b.yaml', 'a: [');
    await next();
    expect(events[1]).toMatch(/flow/i);
    disk.put('/r/b.yaml', component('b', '2'));
    await next();
    expect(events.splice(2)).toEqual(['mended']);
    await disk.remove('/r/b.yaml');
    disk.put('/r/c.yaml', component('c', '1'));
    await next();
    expect(events[2]).toMatchObject({ components: { added: [{ name: 'c' }], removed: [{ name: 'b' }], changed: [] } });
    const spec = '{policies: {timeouts: {t: 1s}}, targets: {apps: {y: {timeout: t}}}}';
    disk.put('/r/d.yaml', `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: r}\nspec: ${spec}\n`);
    await next();
    expect(events[3]).toMatchObject({ restart: false, policies: true, components: { added: [], removed: [] } });
    disk.put('/r/e.yaml', 'apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: e}\nspec: {baseUrl: "http://x.example"}\n');
    await next();
    expect(events[4]).toMatchObject({ restart: true, policies: false, components: { added: [], removed: [] } });
    await watch.close();
  });

  it('follows hints long before the comparison is due, and a burst of them causes one comparison', async () => {
    const disk = createMemoryDisk({ '/r/a.yaml': component('a', '1') });
    const options = { disk, paths: ['/r'], appId: 'x', drivers };
    const diffs: ResourcesDiff[] = [];
    let notify = (): void => {};
    const first = new Promise<void>((resolve) => (notify = resolve));
    const watch = watchResources({
      ...options,
      clock: nodeClock,
      initial: await loadResources(options),
      reconcileMs: 3_600_000,
      changed: async (diff) => {
        diffs.push(diff);
        notify();
      },
      rejected: () => {},
      mended: () => {},
    });
    for (let index = 2; index < 50; index++) disk.put('/r/a.yaml', component('a', String(index)));
    await first;
    await watch.close();
    expect(diffs).toHaveLength(1);
    expect(diffs[0]?.current.components[0]?.properties[0]?.source).toEqual({ from: 'literal', value: '49' });
  });

  it('reads the files also when hints never cease', async () => {
    const disk = createMemoryDisk({ '/r/a.yaml': component('a', '1') });
    const options = { disk, paths: ['/r'], appId: 'x', drivers };
    const clock = createFakeClock();
    const diffs: ResourcesDiff[] = [];
    const watch = watchResources({
      ...options,
      clock,
      initial: await loadResources(options),
      reconcileMs: 3_600_000,
      changed: async (diff) => void diffs.push(diff),
      rejected: () => {},
      mended: () => {},
    });
    for (let passedMs = 0; passedMs < 10_000; passedMs += 100) {
      disk.put('/r/a.yaml', component('a', String(passedMs)));
      clock.advance(100);
      await settle();
    }
    expect(diffs).toHaveLength(5);
    await watch.close();
  });
});
