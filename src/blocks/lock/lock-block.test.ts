import { expect, it } from 'vitest';
import { type Component, fixedComponents } from '../../contracts/component-set.ts';
import { ungoverned } from '../../contracts/governance.ts';
import type { LockStore } from '../../contracts/lock.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { createCall } from '../../kernel/call.ts';
import type { ProaError } from '../../kernel/errors.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import lockDriver from '../../drivers/lock-engine/index.ts';
import { createEngineLocks } from '../../drivers/lock-engine/engine-locks.ts';
import { createMemoryContents, createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { createLockBlock } from './index.ts';

const context = { ports: {} as Ports, log: silentLogger, metrics: noMetrics, appId: 'app', namespace: 'ns', govern: ungoverned };

function setUp(properties: Record<string, string> = {}) {
  const engine = createMemoryEngine({ clock: createFakeClock(), contents: createMemoryContents() });
  const driver = createEngineLocks({ engine, random: createNodeRandom(), namespace: '', space: 's' });
  const component: Component<'lock'> = {
    name: 'locks',
    type: 'lock.proa',
    version: 'v1',
    properties,
    definition: lockDriver as never,
    driver,
  };
  const block = createLockBlock(context, { stores: fixedComponents([component]) });
  const lock = (input = {}) =>
    block.tryLock(
      createCall(
        { block: 'lock', name: 'try_lock', idempotent: false },
        { store: 'locks', resourceId: 'r', lockOwner: 'o', expirySeconds: 10, ...input },
      ),
    );
  const unlock = (input = {}) =>
    block.unlock(
      createCall({ block: 'lock', name: 'unlock', idempotent: false }, { store: 'locks', resourceId: 'r', lockOwner: 'o', ...input }),
    );
  return { driver, lock, unlock };
}

const failure = (promise: Promise<unknown>): Promise<ProaError> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: ProaError) => error,
  );

it('locks and unlocks under prefixed names', async () => {
  const { driver, lock, unlock } = setUp();
  expect(await lock()).toMatchObject({ success: true, fencingToken: expect.any(Number) });
  expect(await lock()).toEqual({ success: false });
  expect(await driver.unlock('lock||app||r', 'other')).toBe(2);
  expect(await unlock({ lockOwner: 'p' })).toBe(2);
  expect(await unlock()).toBe(0);
  expect(await unlock()).toBe(1);
  const named = setUp({ keyPrefix: 'none' });
  await named.lock();
  expect(await named.driver.unlock('lock||r', 'o')).toBe(0);
});

it.each([
  [{ resourceId: '' }, 'malformed-request', 'ResourceId is empty in lock store locks'],
  [{ lockOwner: '' }, 'malformed-request', 'LockOwner is empty in lock store locks'],
  [{ expirySeconds: 0 }, 'malformed-request', 'ExpiryInSeconds is not positive in lock store locks'],
  [{ expirySeconds: Number.NaN }, 'malformed-request', 'ExpiryInSeconds is not positive in lock store locks'],
  [{ expirySeconds: 1.5 }, 'malformed-request', 'ExpiryInSeconds is not a whole number up to 2147483647 in lock store locks'],
  [{ store: 'nope' }, 'lock.not-found', 'lock store nope not found'],
  [{ resourceId: 'a||b' }, 'lock.try', "failed to try acquiring lock: input key/keyPrefix 'a||b' can't contain '||'"],
])('refuses %j', async (input, code, message) => {
  expect(await failure(setUp().lock(input))).toMatchObject({ code, message });
});

it('says that no store is configured before anything else, and why a store failed', async () => {
  const none = createLockBlock(context, { stores: fixedComponents<'lock'>([]) });
  const input = { store: 's', resourceId: '', lockOwner: '' };
  const call = createCall({ block: 'lock', name: 'unlock', idempotent: false }, input);
  expect(await failure(none.unlock(call))).toMatchObject({ code: 'lock.not-configured', message: 'lock store is not configured' });
  const { driver, lock, unlock } = setUp();
  const broken: Partial<LockStore> = { tryLock: () => Promise.reject(new Error('boom')), unlock: () => Promise.reject(new Error('boom')) };
  Object.assign(driver, broken);
  expect(await failure(lock())).toMatchObject({ code: 'lock.try', message: 'failed to try acquiring lock: boom' });
  expect(await failure(unlock())).toMatchObject({ code: 'lock.unlock', message: 'failed to release lock: boom' });
});
