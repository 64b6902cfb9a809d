import { describe, expect, it } from 'vitest';
import { answered } from './answered.ts';
import { createCall, type Outcome } from './call.ts';
import { ProaError } from './errors.ts';
import { createStack, type Layer, type Pair, type SettleAt } from './stack.ts';

const operation = { block: 'test', name: 'op', idempotent: true };
const order = ['a', 'b', 'c'];

function rig(settleAt: SettleAt, pairs: readonly Partial<Pair>[], answer: () => Promise<string> = () => Promise.resolve('ok')) {
  const events: string[] = [];
  const layers = pairs.map((pair, i): Layer => {
    const role = order[i] as string;
    return {
      role,
      why: 'test',
      pair: {
        admit(call) {
          events.push(`admit ${role}`);
          return pair.admit?.(call) ?? role;
        },
        settle(_call, outcome: Outcome, admitted) {
          events.push(`settle ${role} ${String(admitted)} ${outcome.ok ? 'ok' : ProaError.from(outcome.error).code}`);
        },
      },
    };
  });
  const call = createCall(operation, 'in');
  const service = createStack(order, layers, settleAt).over<string, string>(() => {
    events.push('service');
    return answer();
  });
  return { events, call, run: () => service(call) };
}

const refuse: Partial<Pair> = {
  admit() {
    throw new ProaError('invoke.denied', 'no');
  },
};

describe.each([1, 2, 3])('a stack of %i pairs', (count) => {
  const pairs = Array.from({ length: count }, () => ({}));
  const roles = order.slice(0, count);
  const admits = roles.map((role) => `admit ${role}`);
  const settles = (how: string) => roles.toReversed().map((role) => `settle ${role} ${role} ${how}`);

  it('settles inside out with the result', async () => {
    const { events, run } = rig('result', pairs);
    expect(await run()).toBe('ok');
    expect(events).toEqual([...admits, 'service', ...settles('ok')]);
  });

  it('settles at once when the answer is known, and hands it on as it is', () => {
    const answer = answered('ok');
    const { events, run } = rig('result', pairs, () => answer);
    expect(run()).toBe(answer);
    expect(events).toEqual([...admits, 'service', ...settles('ok')]);
  });

  it('settles with the failure, once', async () => {
    const { events, run } = rig('result', pairs, () => Promise.reject(new ProaError('unavailable', 'gone')));
    await expect(run()).rejects.toMatchObject({ code: 'unavailable' });
    expect(events).toEqual([...admits, 'service', ...settles('unavailable')]);
  });

  it('turns what a service throws into a settled rejection', async () => {
    const { events, run } = rig('result', pairs, () => {
      throw new TypeError('broken');
    });
    await expect(run()).rejects.toMatchObject({ code: 'internal' });
    expect(events).toEqual([...admits, 'service', ...settles('internal')]);
  });

  it('settles at the end of the call when its answer streams', async () => {
    const { events, call, run } = rig('end', pairs);
    expect(await run()).toBe('ok');
    expect(events).toEqual([...admits, 'service']);
    call.end.fire({ ok: true, status: 200 });
    call.end.fire({ ok: false });
    expect(events).toEqual([...admits, 'service', ...settles('ok')]);
  });
});

describe.each(['result', 'end'] as const)('a refusal, settling at %s', (settleAt) => {
  it('settles those before it and never reaches the service', async () => {
    const { events, run } = rig(settleAt, [{}, refuse, {}]);
    await expect(run()).rejects.toMatchObject({ code: 'invoke.denied' });
    expect(events).toEqual(['admit a', 'admit b', 'settle a a invoke.denied']);
  });

  it('of the only pair settles nothing', async () => {
    const { events, call, run } = rig(settleAt, [refuse]);
    await expect(run()).rejects.toMatchObject({ code: 'invoke.denied' });
    call.end.fire({ ok: true });
    expect(events).toEqual(['admit a']);
  });
});

describe('an answer that is known at once', () => {
  it('settles with a look at no clock, one that is waited for does not', async () => {
    const outcomes: Outcome[] = [];
    const pair = { settle: (_call: unknown, outcome: Outcome) => void outcomes.push(outcome) };
    const stack = createStack(order, [{ role: 'a', why: 'test', pair }], 'result');
    const call = createCall(operation, 'in');
    await stack.over(() => answered(1))(call);
    await stack.over(() => Promise.resolve(1))(call);
    expect(outcomes).toEqual([{ ok: true, atOnce: true }, { ok: true }]);
  });
});

describe('the order of a stack', () => {
  const layer = (role: string): Layer => ({ role, why: 'test', pair: {} });
  it.each([[['b', 'a']], [['a', 'a']], [['x']]])('refuses %j', (roles) => {
    expect(() => createStack(order, roles.map(layer), 'end')).toThrow(ProaError);
  });
});
