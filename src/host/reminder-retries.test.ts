import { describe, expect, it } from 'vitest';
import { ProaError } from '../kernel/errors.ts';
import { PolicyBook } from '../mesh/policy/book.ts';
import { noPolicies } from '../mesh/policy/model.ts';
import { createNodeRandom } from '../ports/node/random.ts';
import { loadYaml } from '../testing/simulator/governed-target.ts';
import { reminderRetriesOf } from './reminder-retries.ts';

const failed = new ProaError('actor.invoke', 'no');
const resiliency = (retry: string): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\nspec:\n  policies: { retries: { DaprBuiltInActorReminderRetries: ${retry} } }\n  targets: {}\n`;

async function retriesOf(retry: string) {
  const book = new PolicyBook((await loadYaml(resiliency(retry))).policies);
  return reminderRetriesOf(book, createNodeRandom())();
}

describe('DaprBuiltInActorReminderRetries', () => {
  it('is nothing where no Resiliency names it, and follows a reload', async () => {
    const book = new PolicyBook(noPolicies);
    const retries = reminderRetriesOf(book, createNodeRandom());
    expect(retries()).toBeUndefined();
    book.turn((await loadYaml(resiliency('{ policy: constant, duration: 2s, maxRetries: 5 }'))).policies);
    expect(retries()?.afterMs(failed, { failures: 5, sinceMs: 0 })).toBe(2_000);
    expect(retries()?.afterMs(failed, { failures: 6, sinceMs: 0 })).toBeUndefined();
    book.turn(noPolicies);
    expect(retries()).toBeUndefined();
  });

  it('keeps three repetitions at least', async () => {
    const retries = await retriesOf('{ policy: constant, duration: 10ms, maxRetries: 1 }');
    expect(retries?.afterMs(failed, { failures: 3, sinceMs: 0 })).toBe(10);
    expect(retries?.afterMs(failed, { failures: 4, sinceMs: 0 })).toBeUndefined();
  });

  it('grows from half a second up to its cap, for a quarter of an hour', async () => {
    const retries = await retriesOf('{ policy: exponential, maxInterval: 60s, maxRetries: -1 }');
    const first = retries?.afterMs(failed, { failures: 1, sinceMs: 0 }) ?? 0;
    expect(first >= 250 && first <= 750).toBe(true);
    expect(retries?.afterMs(failed, { failures: 100, sinceMs: 60_000 })).toBeGreaterThanOrEqual(30_000);
    expect(retries?.afterMs(failed, { failures: 100, sinceMs: 15 * 60_000 })).toBeUndefined();
  });

  it('repeats only the codes that it names', async () => {
    const retries = await retriesOf('{ policy: constant, duration: 1s, maxRetries: 3, matching: { gRPCStatusCodes: "4" } }');
    expect(retries?.afterMs(failed, { failures: 1, sinceMs: 0 })).toBeUndefined();
    expect(retries?.afterMs(new ProaError('deadline-exceeded', 'late'), { failures: 1, sinceMs: 0 })).toBe(1_000);
  });
});
