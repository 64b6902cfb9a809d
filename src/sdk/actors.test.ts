import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, type Machine } from '../../test/fixtures/sdk-modes.ts';
import { ProaError } from '../kernel/errors.ts';
import { defineActor, type ActorProxy } from './actor.ts';
import { createApp } from './app.ts';
import type { Client } from './client.ts';
import type { Mode } from './place.ts';

interface Item {
  readonly sku: string;
  readonly count: number;
}

function cartOf(log: string[]) {
  return defineActor(
    'Cart',
    {
      async add(actor, item: Item) {
        const items = (await actor.state.get<Item[]>('items')) ?? [];
        actor.state.set('items', [...items, item]);
        return items.length + 1;
      },
      async items(actor) {
        return (await actor.state.get<Item[]>('items')) ?? [];
      },
      async addAndFail(actor, item: Item) {
        actor.state.set('items', [item]);
        throw new ProaError('bad-request', `no ${item.sku} here`);
      },
      bug(actor) {
        actor.state.set('items', []);
        throw new Error('secret internals');
      },
      async clear(actor) {
        actor.state.delete('items');
        actor.state.set('cleared', true, { ttlSeconds: 60 });
      },
      async beat(actor, every: string) {
        await actor.startTimer('beat', 'add', { period: every, data: { sku: 'tick', count: 1 } });
      },
      stopBeating: (actor) => actor.stopTimer('beat'),
      async wake(actor, count: number) {
        await actor.remind('wake', { period: '100ms', data: { count } });
      },
      sleepOn: (actor) => actor.forget('wake'),
    },
    {
      onActivate: (actor) => void log.push(`activate ${actor.id}`),
      async onReminder(actor, { name, data }) {
        log.push(`${name} ${actor.id} ${JSON.stringify(data)}`);
        const seen = ((await actor.state.get<number>('woken')) ?? 0) + 1;
        actor.state.set('woken', seen);
        return seen >= 3 ? 'stop' : undefined;
      },
    },
  );
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.each<Mode>(['in-process', 'http', 'grpc'])('typed actors, %s', (mode) => {
  const log: string[] = [];
  const cart = cartOf(log);
  let machine: Machine;
  let client: Client;
  const actor = (id: string): ActorProxy<(typeof cart)['methods']> => client.actor(cart, id);

  beforeAll(async () => {
    machine = createMachine();
    ({ client } = await machine.serve('shop', mode, createApp().host(cart)));
  });
  afterAll(() => machine.close());

  it('keep what a method changed when it ends well, and nothing of one that fails', async () => {
    expect(await actor('a').add({ sku: 'pear', count: 2 })).toBe(1);
    expect(await actor('a').add({ sku: 'fig', count: 1 })).toBe(2);
    await expect(actor('a').addAndFail({ sku: 'nut', count: 1 })).rejects.toMatchObject(
      mode === 'grpc' ? { code: 'actor.invoke' } : { code: 'bad-request', message: 'no nut here' },
    );
    await expect(actor('a').bug()).rejects.toMatchObject({ code: 'actor.invoke' });
    await expect(actor('a').bug()).rejects.not.toThrow(/secret/);
    expect((await actor('a').items()).map(({ sku }) => sku)).toEqual(['pear', 'fig']);
    await actor('a').clear();
    expect(await actor('a').items()).toEqual([]);
    expect(log.filter((line) => line === 'activate a')).toHaveLength(1);
  });

  it('have one turn at a time', async () => {
    const counts = await Promise.all(Array.from({ length: 10 }, () => actor('busy').add({ sku: 'x', count: 1 })));
    expect(counts.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
  });

  it('have timers and reminders, which end when they are told to', async () => {
    await actor('clock').beat('50ms');
    await until(async () => (await actor('clock').items()).length >= 2);
    await actor('clock').stopBeating();
    await actor('sleeper').wake(3);
    await until(() => log.filter((line) => line.startsWith('wake sleeper')).length >= 3);
    await actor('sleeper').sleepOn();
    expect(log).toContain('wake sleeper {"count":3}');
  });

  it('have no methods but their own', async () => {
    await expect(client.invokeActor('Cart', 'a', 'toString')).rejects.toMatchObject({ spec: { grpc: 'NOT_FOUND' } });
    await expect(client.invokeActor('Cart', 'a', 'nothing')).rejects.toMatchObject({ spec: { grpc: 'NOT_FOUND' } });
    expect(await client.invokeActor('Cart', 'a', 'items')).toEqual([]);
  });
});

describe('a definition', () => {
  it.each(['', 'a/b', 'dapr.internal.x', 'x'.repeat(300)])('of type %j is refused', (type) => {
    expect(() => defineActor(type, {})).toThrow(ProaError);
  });

  it('has names of functions, and stands once in an app', () => {
    expect(() => defineActor('A', { 'not a name': () => 1 })).toThrow(/cannot be the method/);
    const definition = defineActor('A', { a: () => 1 });
    expect(() => createApp().host(definition).host(definition)).toThrow(/defined twice/);
  });
});
