import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isEtagError, type StateOperation, type StateStore } from '../../contracts/state.ts';
import { silentLogger } from '../../kernel/log.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { bytes, textOf } from '../../testing/state-suite-rig.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { createEngineStore } from './engine-store.ts';

interface Row {
  readonly value: string;
  readonly expiresAtMs: number;
  /** Counts writes; a held etag is right when it is the count at which it was read. */
  readonly write: number;
}

/** `guard`: no etag, the etag seen last for the key (perhaps stale), or first-write. */
type Step = {
  readonly kind: 'upsert' | 'delete';
  readonly key: string;
  readonly value: string;
  readonly ttl: number;
  readonly guard: 'none' | 'seen' | 'first';
};

const key = fc.constantFrom('a', 'b', 'a||b');
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('upsert', 'delete'),
  key,
  value: fc.string({ maxLength: 3 }),
  ttl: fc.constantFrom(0, 0, 2),
  guard: fc.constantFrom('none', 'seen', 'first'),
});
const command = fc.oneof(
  fc.record({
    do: fc.constant('transact' as const),
    steps: fc.uniqueArray(step, { minLength: 1, maxLength: 3, selector: ({ key: name }) => name }),
  }),
  fc.record({ do: fc.constant('look' as const), key }),
  fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(500, 1_500) }),
);

it('behaves like a table of rows under any sequence of transactions, reads and time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      const clock = createFakeClock();
      const engine = createMemoryEngine({ clock, contents: createMemoryContents() });
      const store = createEngineStore({ engine, random: createNodeRandom(), log: silentLogger, namespace: '', space: 's' });
      const rows = new Map<string, Row>();
      const seen = new Map<string, { readonly etag: string; readonly write: number }>();
      let writes = 0;
      const live = (name: string): Row | undefined => {
        const row = rows.get(name);
        return row !== undefined && row.expiresAtMs > clock.now() ? row : undefined;
      };
      const allowed = ({ kind, key: name, guard }: Step): boolean => {
        if (guard === 'seen' && seen.has(name)) return live(name)?.write === seen.get(name)?.write;
        return !(guard === 'first' && kind === 'upsert') || live(name) === undefined;
      };
      for (const each of commands) {
        if (each.do === 'advance') clock.advance(each.ms);
        else if (each.do === 'look') {
          const found = await store.get({ key: each.key });
          expect(textOf(found?.data)).toBe(live(each.key)?.value);
          if (found !== undefined) seen.set(each.key, { etag: found.etag, write: live(each.key)?.write ?? 0 });
        } else {
          const expected = each.steps.every(allowed);
          expect(
            await succeeds(
              store,
              each.steps.map((one) => operationOf(one, seen.get(one.key)?.etag)),
            ),
          ).toBe(expected);
          if (!expected) continue;
          for (const { kind, key: name, value, ttl } of each.steps) {
            if (kind === 'delete') rows.delete(name);
            else rows.set(name, { value, write: ++writes, expiresAtMs: ttl === 0 ? Infinity : clock.now() + ttl * 1000 });
          }
        }
      }
      await engine.close();
    }),
    { numRuns: 150 },
  );
});

function operationOf({ kind, key: name, value, ttl, guard }: Step, etag: string | undefined): StateOperation {
  const guarded = {
    ...(guard === 'seen' && etag !== undefined && { etag }),
    ...(guard === 'first' && { concurrency: 'first-write' as const }),
  };
  if (kind === 'delete') return { kind, key: name, ...guarded };
  return { kind, key: name, data: bytes(value), ...(ttl > 0 && { ttlSeconds: ttl }), ...guarded };
}

async function succeeds(store: StateStore, operations: readonly StateOperation[]): Promise<boolean> {
  try {
    await store.transact?.(operations, {});
    return true;
  } catch (error) {
    if (isEtagError(error)) return false;
    throw error;
  }
}
