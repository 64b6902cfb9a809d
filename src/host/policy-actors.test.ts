import { describe, expect, it } from 'vitest';
import { ProaError } from '../kernel/errors.ts';
import { governTarget } from '../testing/simulator/governed-target.ts';

const resiliency = (policies: string, targets: string): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\nspec:\n  policies: ${policies}\n  targets: ${targets}\n---\n`;
const carts = (policies: string, use: string): string => resiliency(policies, `{ actors: { Cart: ${use} } }`);
const call = { block: 'actors', name: 'Cart', operation: 'call', direction: 'outbound' } as const;
const turn = { block: 'actors', name: 'Cart', operation: 'turn', direction: 'inbound' } as const;
const policies =
  '{ timeouts: { t: 300ms }, retries: { r: { duration: 100ms, maxRetries: 2 } }, circuitBreakers: { b: { timeout: 2s, trip: consecutiveFailures > 2 } } }';
const failed = (): { error: ProaError } => ({
  error: new ProaError('actor.invoke', 'no', { details: { metadata: { status: '500' } } }),
});

describe('Resiliency of actors', () => {
  it('repeats and counts for the breaker before the lock of the actor, and bounds the turn after it', async () => {
    const yaml = carts(policies, '{ timeout: t, retry: r, circuitBreaker: b, circuitBreakerScope: type }');
    const outside = await governTarget({ yaml, target: call });
    expect(outside.layers.map(({ role }) => role).filter((role) => ['retry', 'breaker', 'attempt'].includes(role))).toEqual([
      'retry',
      'breaker',
    ]);
    const inside = await governTarget({ yaml, target: turn });
    expect(inside.layers.map(({ role }) => role).filter((role) => ['retry', 'breaker', 'attempt'].includes(role))).toEqual(['attempt']);
    const silent = await governTarget({ yaml, target: turn, answer: () => ({ silent: true }) });
    const waiting = silent.call();
    await silent.pass(400, 50);
    expect(await waiting.done).toBe('deadline-exceeded');
  });

  it('repeats what the actor failed with, and not what says that there is no such method', async () => {
    const yaml = carts(policies, '{ retry: r }');
    const failing = await governTarget({ yaml, target: call, answer: failed });
    failing.call();
    await failing.pass(1_000, 50);
    expect(failing.lines.filter((line) => line.includes('attempt'))).toHaveLength(3);
    const missing = await governTarget({ yaml, target: call, answer: () => ({ error: new ProaError('actor.no-method', 'no') }) });
    missing.call();
    await missing.pass(1_000, 50);
    expect(missing.lines.filter((line) => line.includes('attempt'))).toHaveLength(1);
  });

  it('of another type says nothing, and without any the built-in retries help over a runtime that dies', async () => {
    const yaml = resiliency(policies, '{ actors: { Other: { retry: r } } }');
    const broken = await governTarget({
      yaml,
      target: call,
      answer: ({ number }) => (number < 3 ? { error: new ProaError('peer.broken', 'gone') } : {}),
    });
    const done = broken.call().done;
    await broken.pass(3_000, 100);
    expect(await done).toBe('200');
    const failing = await governTarget({ yaml, target: call, answer: failed });
    expect(await failing.call().done).toBe('actor.invoke');
    expect(failing.lines.filter((line) => line.includes('attempt'))).toHaveLength(1);
  });

  it.each([
    ['type', ['actor.invoke', 'actor.invoke', 'actor.invoke', 'circuit-open', 'circuit-open']],
    ['id', ['actor.invoke', 'actor.invoke', 'actor.invoke', 'circuit-open', 'actor.invoke']],
    ['both', ['actor.invoke', 'actor.invoke', 'actor.invoke', 'circuit-open', 'circuit-open']],
  ])('has a breaker per %s', async (scope, expected) => {
    const yaml = carts(policies, `{ circuitBreaker: b, circuitBreakerScope: ${scope} }`);
    const target = await governTarget({ yaml, target: call, answer: failed });
    const ends: string[] = [];
    for (const id of ['a', 'a', 'a', 'a', 'b']) ends.push(await target.call({ id }).done);
    expect(ends).toEqual(expected);
  });
});

describe('calls that come in for actors', () => {
  const receive = { block: 'actors', name: 'web', operation: 'receive', direction: 'inbound' } as const;

  it('obey the access control of the app, on the path that the app sees', async () => {
    const accessControl = {
      defaultAction: 'deny' as const,
      trustDomain: 'public',
      policies: [
        {
          appId: 'shop',
          namespace: '',
          trustDomain: 'public',
          defaultAction: 'deny' as const,
          operations: [{ name: '/actors/Cart/**', httpVerbs: ['*'], action: 'allow' as const }],
        },
      ],
    };
    const target = await governTarget({ yaml: '', target: receive, accessControl });
    const end = (path: string, caller: string) => target.call({ path, caller, method: 'POST' }).done;
    expect(await end('actors/Cart/1/method/add', 'shop')).toBe('200');
    expect(await end('actors/Order/1/method/add', 'shop')).toBe('invoke.denied');
    expect(await end('actors/Cart/1/method/add', 'stranger')).toBe('invoke.denied');
  });

  it('obey policies of the called app too', async () => {
    const yaml =
      'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: web, at: callee }, match: { callers: [shop] }, authorise: { action: allow } }\n';
    const target = await governTarget({ yaml, target: receive });
    expect(await target.call({ caller: 'shop' }).done).toBe('200');
    expect(await target.call({ caller: 'stranger' }).done).toBe('invoke.denied');
  });
});
