import type { BlockContext } from '../../contracts/block-context.ts';
import { nearestOf, type Component, type ComponentSet } from '../../contracts/component-set.ts';
import { keyPrefixOf, keySeparator } from '../../contracts/key-prefix.ts';
import type { UnlockStatus } from '../../contracts/lock.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Service } from '../../kernel/service.ts';
import type { LockBlock } from './index.ts';

export interface LockDeps {
  readonly stores: ComponentSet<'lock'>;
}

type TryInput = Parameters<LockBlock['tryLock']>[0]['input'];
type UnlockInput = Parameters<LockBlock['unlock']>[0]['input'];

interface LockHandle {
  readonly tryLock: LockBlock['tryLock'];
  readonly unlock: LockBlock['unlock'];
}

/** An owner's name is stored; it needs a bound like a key does. */
const ownerCharsMax = 1_024;
/** Longer leases than about 68 years are a mistake, and more than Dapr's int32 can say. */
const expirySecondsMax = 2_147_483_647;

/** The lock API over the configured stores. Stored names are `lock||`, the component's key prefix, the resource. It owns no store. */
export function createLockBlock(context: BlockContext, deps: LockDeps): LockBlock {
  const compiled = new Map<string, { readonly component: Component<'lock'>; readonly handle: LockHandle }>();

  const handleOf = (store: string): LockHandle => {
    const component = deps.stores.get(store);
    if (component === undefined) {
      throw new ProaError('lock.not-found', `lock store ${store} not found`, nearestOf(store, deps.stores.list()));
    }
    const known = compiled.get(store);
    // A component that was loaded again is another object.
    if (known?.component === component) return known.handle;
    const handle = compile(component, context);
    compiled.set(store, { component, handle });
    return handle;
  };
  const check = ({ store, resourceId, lockOwner }: UnlockInput): void => {
    if (deps.stores.list().length === 0) throw new ProaError('lock.not-configured', 'lock store is not configured');
    if (resourceId === '') throw malformed(`ResourceId is empty in lock store ${store}`);
    if (lockOwner === '') throw malformed(`LockOwner is empty in lock store ${store}`);
    if (lockOwner.length > ownerCharsMax) throw malformed(`LockOwner is longer than ${ownerCharsMax} characters in lock store ${store}`);
  };
  return {
    async tryLock(call) {
      const { store, expirySeconds } = call.input;
      if (!(expirySeconds > 0)) throw malformed(`ExpiryInSeconds is not positive in lock store ${store}`);
      if (!Number.isInteger(expirySeconds) || expirySeconds > expirySecondsMax) {
        throw malformed(`ExpiryInSeconds is not a whole number up to ${expirySecondsMax} in lock store ${store}`);
      }
      check(call.input);
      return handleOf(store).tryLock(call);
    },
    async unlock(call) {
      check(call.input);
      return handleOf(call.input.store).unlock(call);
    },
  };
}

function compile(component: Component<'lock'>, context: BlockContext): LockHandle {
  const { name, driver } = component;
  const prefix = `lock${keySeparator}${keyPrefixOf(component, context)}`;
  const governed = <In, Out>(operation: string, service: Service<In, Out>): Service<In, Out> =>
    context.govern({ block: 'lock', name, operation, direction: 'outbound', componentType: component.type }, service);
  const tryFailed = (reason: string, cause?: unknown) => new ProaError('lock.try', `failed to try acquiring lock: ${reason}`, { cause });
  const unlockFailed = (reason: string, cause?: unknown) => new ProaError('lock.unlock', `failed to release lock: ${reason}`, { cause });
  const tryLock = governed('try_lock', async ({ input }: { readonly input: TryInput }) => {
    try {
      return await driver.tryLock(prefix + input.resourceId, input.lockOwner, input.expirySeconds);
    } catch (cause) {
      throw isProaError(cause) ? cause : tryFailed(messageOf(cause), cause);
    }
  });
  const unlock = governed('unlock', async ({ input }: { readonly input: UnlockInput }): Promise<UnlockStatus> => {
    try {
      return await driver.unlock(prefix + input.resourceId, input.lockOwner);
    } catch (cause) {
      throw isProaError(cause) ? cause : unlockFailed(messageOf(cause), cause);
    }
  });
  return {
    async tryLock(call) {
      const why = illegal(call.input.resourceId);
      if (why !== undefined) throw tryFailed(why);
      return tryLock(call);
    },
    async unlock(call) {
      const why = illegal(call.input.resourceId);
      if (why !== undefined) throw unlockFailed(why);
      return unlock(call);
    },
  };
}

const loneSurrogate = /[\ud800-\udfff]/u;

function illegal(resource: string): string | undefined {
  if (resource.includes(keySeparator)) return `input key/keyPrefix '${resource}' can't contain '${keySeparator}'`;
  if (resource.length > limits.keyBytes) return `a resource id has at most ${limits.keyBytes} bytes`;
  return resource.includes('\0') || loneSurrogate.test(resource) ? 'a resource id holds no NUL and only whole characters' : undefined;
}

function malformed(message: string): ProaError {
  return new ProaError('malformed-request', message);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
