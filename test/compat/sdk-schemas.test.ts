import { type } from 'arktype';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createApp } from '../../src/sdk/app.ts';
import type { Client } from '../../src/sdk/client.ts';
import { defineContract } from '../../src/sdk/contract.ts';
import { createMachine, type Machine } from '../fixtures/sdk-modes.ts';

// One contract in the words of each library that keeps to Standard Schema. That what comes out has its type is checked by the compiler.
const contracts = {
  zod: defineContract({
    app: 'by-zod',
    methods: {
      price: {
        input: z.object({ item: z.string().min(1), count: z.number().int().positive().default(1) }),
        output: z.object({ total: z.number() }),
      },
      broken: { output: z.object({ total: z.number() }) },
      slow: { input: z.object({ name: z.string().refine(async (name) => Promise.resolve(name !== 'taken'), 'is taken') }) },
    },
    events: { placed: { pubsub: 'pubsub', topic: 'zod', data: z.object({ at: z.string().transform((text) => text.length) }) } },
  }),
  arktype: defineContract({
    app: 'by-arktype',
    methods: {
      price: { input: type({ item: 'string > 0', count: 'number.integer > 0 = 1' }), output: type({ total: 'number' }) },
      broken: { output: type({ total: 'number' }) },
      slow: {
        input: type({ name: 'string' }).narrow(({ name }, say) => name !== 'taken' || say.reject({ path: ['name'], expected: 'free' })),
      },
    },
    events: { placed: { pubsub: 'pubsub', topic: 'arktype', data: type({ at: type('string').pipe((text) => text.length) }) } },
  }),
  valibot: defineContract({
    app: 'by-valibot',
    methods: {
      price: {
        input: v.object({ item: v.pipe(v.string(), v.minLength(1)), count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1) }),
        output: v.object({ total: v.number() }),
      },
      broken: { output: v.object({ total: v.number() }) },
      slow: {
        input: v.objectAsync({
          name: v.pipeAsync(
            v.string(),
            v.checkAsync(async (name) => Promise.resolve(name !== 'taken'), 'is taken'),
          ),
        }),
      },
    },
    events: {
      placed: {
        pubsub: 'pubsub',
        topic: 'valibot',
        data: v.object({
          at: v.pipe(
            v.string(),
            v.transform((text) => text.length),
          ),
        }),
      },
    },
  }),
};

type Library = keyof typeof contracts;
const libraries = Object.keys(contracts) as Library[];

let machine: Machine;
let client: Client;
const placed: Record<Library, number[]> = { zod: [], arktype: [], valibot: [] };

// The handlers are typed by the contract: `count` is a number that is always there, `at` the length and not the text.
const apps = {
  zod: createApp()
    .implement(contracts.zod, {
      price: ({ item, count }) => ({ total: item.length * count }),
      broken: () => ({ total: 'much' }) as never,
      slow: ({ name }) => name,
    })
    .on(contracts.zod.events.placed, ({ data }) => void placed.zod.push(data.at)),
  arktype: createApp()
    .implement(contracts.arktype, {
      price: ({ item, count }) => ({ total: item.length * count }),
      broken: () => ({ total: 'much' }) as never,
      slow: ({ name }) => name,
    })
    .on(contracts.arktype.events.placed, ({ data }) => void placed.arktype.push(data.at)),
  valibot: createApp()
    .implement(contracts.valibot, {
      price: ({ item, count }) => ({ total: item.length * count }),
      broken: () => ({ total: 'much' }) as never,
      slow: ({ name }) => name,
    })
    .on(contracts.valibot.events.placed, ({ data }) => void placed.valibot.push(data.at)),
};

beforeAll(async () => {
  machine = createMachine();
  for (const library of libraries) await machine.serve(`by-${library}`, 'http', apps[library]);
  ({ client } = await machine.serve('caller', 'http'));
});

afterAll(() => machine?.close());

/** The functions of a contract, whose input and answers mean the same in every library. */
function callsOf(library: Library) {
  switch (library) {
    case 'zod': {
      const { call } = client.of(contracts.zod);
      const total = async (item: string, count?: number): Promise<number> => (await call.price({ item, count })).total;
      return { total, slow: (name: string) => call.slow({ name }), broken: () => call.broken(undefined) };
    }
    case 'arktype': {
      const { call } = client.of(contracts.arktype);
      const total = async (item: string, count?: number): Promise<number> =>
        (await call.price({ item, ...(count !== undefined && { count }) })).total;
      return { total, slow: (name: string) => call.slow({ name }), broken: () => call.broken(undefined) };
    }
    default: {
      const { call } = client.of(contracts.valibot);
      const total = async (item: string, count?: number): Promise<number> => (await call.price({ item, count })).total;
      return { total, slow: (name: string) => call.slow({ name }), broken: () => call.broken(undefined) };
    }
  }
}

describe.each(libraries)('a contract by %s', (library) => {
  it('passes what fits, with what its schemas make of it', async () => {
    const { total, slow } = callsOf(library);
    expect(await total('tea', 3)).toBe(9);
    expect(await total('tea')).toBe(3);
    expect(await slow('free')).toBe('free');
  });

  it('refuses input before it is sent, with the place of each violation', async () => {
    const { total, slow } = callsOf(library);
    const refused = await total('', 0).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'bad-request', message: expect.stringContaining(`the input of by-${library}.price`) });
    const { violations = [] } = (refused as { readonly details: { readonly violations?: readonly { readonly field: string }[] } }).details;
    expect(violations.map(({ field }) => field).toSorted()).toEqual(['count', 'item']);
    await expect(slow('taken')).rejects.toMatchObject({ code: 'bad-request', details: { violations: [{ field: 'name' }] } });
  });

  it('refuses it where it arrives too, and an answer that is none', async () => {
    await expect(client.invoke(`by-${library}`, 'price', { item: 7 })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(callsOf(library).broken()).rejects.toMatchObject({ code: 'malformed-response' });
  });

  it('takes events that fit, transformed, and drops the others', async () => {
    await client.publish('pubsub', library, { at: 7 });
    await client.publish('pubsub', library, { at: 'four' });
    await expect.poll(() => placed[library], { timeout: 60_000 }).toEqual([4]);
  });
});
