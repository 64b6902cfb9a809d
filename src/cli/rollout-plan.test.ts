import { describe, expect, it } from 'vitest';
import { readPlan, type WrittenPlan } from './rollout-plan.ts';

const written: WrittenPlan = {
  app: 'orders',
  from: 'v1',
  to: 'v2',
  namespace: 'default',
  steps: '5:5m, 25.5:10m,100:1h',
  success: '99.5',
  latency: 'p99.9:500ms',
  errorsAbove: undefined,
  latencyFactor: undefined,
  minRequests: 50,
  sticky: 'header:X-User',
};

describe('a plan of a rollout', () => {
  it('is read from the command line', () => {
    expect(readPlan(written)).toEqual({
      app: 'orders',
      from: 'v1',
      to: 'v2',
      namespace: 'default',
      steps: [
        { percent: 5, holdMs: 300_000 },
        { percent: 25.5, holdMs: 600_000 },
        { percent: 100, holdMs: 3_600_000 },
      ],
      gates: { successMin: 0.995, latency: { quantile: 0.9990000000000001, maxMs: 500 }, requestsMin: 50 },
      sticky: { from: 'header', name: 'x-user' },
    });
    expect(readPlan({ ...written, errorsAbove: '0.5', latencyFactor: 'p99:1.5' }).gates.beside).toEqual({
      errorsAbove: 0.005,
      latency: { quantile: 0.99, factorMax: 1.5 },
    });
    expect(readPlan({ ...written, errorsAbove: '0' }).gates.beside).toEqual({ errorsAbove: 0 });
    expect(readPlan({ ...written, steps: '100:0s', sticky: 'caller', latency: undefined })).toMatchObject({
      steps: [{ percent: 100, holdMs: 0 }],
      sticky: { from: 'caller' },
    });
  });

  it.each([
    ['the same version twice', { to: 'v1' }, /are the same/],
    ['a version that is no name', { to: 'v 2' }, /no name of an app or version/],
    ['an app of a thousand letters', { app: 'a'.repeat(1_000) }, /no name of an app or version/],
    ['a step without a time', { steps: '5,100:1m' }, /is not percent:time/],
    ['a step with a time that is none', { steps: '100:soon' }, /is not percent:time/],
    ['percents that fall', { steps: '50:1m,20:1m,100:1m' }, /must rise/],
    ['percents that do not reach 100', { steps: '50:1m' }, /end at 100/],
    ['a percent above 100', { steps: '50:1m,101:1m' }, /must rise/],
    ['no percent', { steps: '0:1m,100:1m' }, /must rise/],
    ['too many steps', { steps: Array.from({ length: 21 }, (_, i) => `${i === 20 ? 100 : i + 1}:1m`).join() }, /20 at most/],
    ['a share above all', { success: '101' }, /--success/],
    ['a share in words', { success: 'all' }, /--success/],
    ['a quantile without a time', { latency: 'p99' }, /--latency/],
    ['a time without a unit', { latency: 'p99:500' }, /--latency/],
    ['a step whose time has no unit', { steps: '5:5,100:1m' }, /is not percent:time/],
    ['a quantile of nobody', { latency: 'p0:1s' }, /--latency/],
    ['a time of nothing', { latency: 'p99:0ms' }, /--latency/],
    ['more errors than calls', { errorsAbove: '101' }, /--errors-above/],
    ['errors in words', { errorsAbove: 'few' }, /--errors-above/],
    ['a factor without a quantile', { latencyFactor: '1.5' }, /--latency-factor/],
    ['a factor that is finer than what is counted', { latencyFactor: 'p99:1.1' }, /from 1.2 to 100/],
    ['a factor that is a time', { latencyFactor: 'p99:2s' }, /--latency-factor/],
    ['half a call', { minRequests: 0.5 }, /--min-requests/],
    ['no call', { minRequests: 0 }, /--min-requests/],
    ['a key of another kind', { sticky: 'ip' }, /--sticky/],
    ['a header without a name', { sticky: 'header:' }, /--sticky/],
  ])('is refused with %s', (_name, change, message) => {
    expect(() => readPlan({ ...written, ...change })).toThrow(message);
  });
});
