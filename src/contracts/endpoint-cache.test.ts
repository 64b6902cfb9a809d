import { beforeEach, describe, expect, it } from 'vitest';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.ts';
import { recordingLogger } from '../testing/driver-context.ts';
import { createEndpointCache, type EndpointCache, type FoundEndpoints } from './endpoint-cache.ts';
import type { Endpoint } from './resolver.ts';
import { eligible } from './resolver.ts';

const endpoint = (instance: string, more: Partial<Endpoint> = {}): Endpoint => ({
  appId: 'a',
  namespace: 'n',
  instance,
  mesh: { host: instance, port: 1 },
  ...more,
});

let clock: FakeClock;
let lines: string[];
let asked: string[];
let answer: () => Promise<FoundEndpoints>;
let cache: EndpointCache;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const pass = async (ms: number) => {
  clock.advance(ms);
  await turn();
};
const found =
  (validForMs: number, ...instances: string[]) =>
  async () => ({ endpoints: instances.map((name) => endpoint(name)), validForMs });
const instances = async () => (await cache.resolve('a', 'n')).endpoints.map(({ instance }) => instance);

beforeEach(() => {
  clock = createFakeClock();
  lines = [];
  asked = [];
  answer = found(1_000, 'one');
  cache = createEndpointCache({
    clock,
    log: recordingLogger(lines),
    source: 'test',
    lookup: (appId) => {
      asked.push(appId);
      return answer();
    },
    staleMaxMs: 60_000,
    namesMax: 3,
  });
});

describe('the memory of a resolver', () => {
  it('asks once for callers that come together, then answers from memory until the answer expires', async () => {
    expect(await Promise.all([instances(), instances(), instances()])).toEqual([['one'], ['one'], ['one']]);
    await instances();
    expect(asked).toHaveLength(1);
    await pass(999);
    expect(asked).toHaveLength(1);
    await pass(1);
    expect(asked).toHaveLength(2);
  });

  it('tells when endpoints come and go, and says nothing when they stay', async () => {
    const changes: string[] = [];
    cache.onChange((appId, namespace) => changes.push(`${appId}.${namespace}`));
    await instances();
    await pass(1_000);
    expect(changes).toEqual([]);
    answer = found(1_000, 'one', 'two');
    await pass(1_000);
    expect(changes).toEqual(['a.n']);
    expect(await instances()).toEqual(['one', 'two']);
    answer = found(1_000);
    await pass(1_000);
    expect(changes).toEqual(['a.n', 'a.n']);
    expect(await instances()).toEqual([]);
  });

  it('does not remember that an app is unknown', async () => {
    answer = found(60_000);
    expect(await instances()).toEqual([]);
    answer = found(60_000, 'one');
    expect(await instances()).toEqual(['one']);
  });

  it('keeps the last good answer while the registry fails, marked with its age, and takes the next good one', async () => {
    await instances();
    const changes: string[] = [];
    cache.onChange((appId) => changes.push(appId));
    answer = () => Promise.reject(new Error('no route'));
    await pass(1_000);
    const since = clock.now();
    expect(await cache.resolve('a', 'n')).toEqual({ endpoints: [endpoint('one')], source: 'test', staleSinceMs: since });
    await pass(1_000);
    await pass(2_000);
    expect((await cache.resolve('a', 'n')).staleSinceMs).toBe(since);
    expect(changes).toEqual(['a']);
    expect(lines.filter((line) => line.startsWith('warn'))).toHaveLength(1);
    expect(lines[0]).toContain('no route');
    answer = found(1_000, 'two');
    await pass(4_000);
    expect(await cache.resolve('a', 'n')).toEqual({ endpoints: [endpoint('two')], source: 'test' });
    expect(lines.at(-1)).toMatch(/^info .*again/);
  });

  it('gives up the last good answer when it is too old', async () => {
    await instances();
    answer = () => Promise.reject(new Error('no route'));
    for (let i = 0; i < 40; i++) await pass(2_000);
    await expect(cache.resolve('a', 'n')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('no route') as string,
    });
    expect(lines.some((line) => line.startsWith('error'))).toBe(true);
    answer = found(1_000, 'one');
    expect(await instances()).toEqual(['one']);
  });

  it('fails when it never had an answer', async () => {
    answer = () => Promise.reject(new Error('refused'));
    await expect(instances()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('asks again after a hint, also after one that came while it was asking', async () => {
    await instances();
    let release: (found: FoundEndpoints) => void = () => {};
    answer = () => new Promise((resolve) => (release = resolve));
    cache.hint();
    cache.hint('a', 'n');
    cache.hint('b', 'n');
    expect(asked).toHaveLength(2);
    answer = found(1_000, 'later');
    release({ endpoints: [endpoint('earlier')], validForMs: 1_000 });
    await turn();
    expect(asked).toHaveLength(3);
    expect(await instances()).toEqual(['later']);
  });

  it('keeps a limited number of names, and tells when it forgets one', async () => {
    const forgotten: string[] = [];
    cache.onChange((appId) => forgotten.push(appId));
    for (const appId of ['a', 'b', 'c', 'd']) await cache.resolve(appId, 'n');
    expect(forgotten).toEqual(['a']);
    expect(cache.known()).toHaveLength(3);
  });

  it('leaves no timer behind', async () => {
    await instances();
    cache.close();
    expect(clock.waiting).toBe(0);
    await expect(cache.resolve('a', 'n')).resolves.toBeDefined();
    expect(clock.waiting).toBe(0);
  });
});

describe('endpoints that may take calls', () => {
  it('are the healthy ones, else the sick ones, else whatever there is', () => {
    const [well, sick, leaving, idle] = [
      endpoint('well'),
      endpoint('sick', { health: 'unhealthy' }),
      endpoint('leaving', { health: 'draining' }),
      endpoint('idle', { weight: 0 }),
    ];
    expect(eligible([well, sick, leaving, idle])).toEqual([well]);
    expect(eligible([sick, leaving])).toEqual([sick]);
    expect(eligible([leaving, idle])).toEqual([leaving, idle]);
    expect(eligible([])).toEqual([]);
  });
});
