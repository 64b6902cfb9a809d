import { expect, it } from 'vitest';
import { type Commit, engineLimits } from '../contracts/engine.ts';
import { isProaError } from '../kernel/errors.ts';
import { tuple } from '../kernel/tuple.ts';
import { bytes, done, type EngineRig } from './engine-suite-rig.ts';

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return isProaError(error) ? error.code : String(error);
  }
  return 'no error';
}

/** Limits; `engineSuite` calls it. */
export function limitsSuite(rig: () => EngineRig): void {
  it('refuses what is beyond the limits with engine.limit, and stays usable', async () => {
    const { engine } = rig();
    const value = new Uint8Array(engineLimits.valueBytesMax);
    const beyond: Commit[] = [
      { put: [{ key: 'x'.repeat(engineLimits.keyBytesMax + 1), value: bytes('') }] },
      { put: [{ key: 'a', value: new Uint8Array(engineLimits.valueBytesMax + 1) }] },
      { append: [{ log: 'l', entries: [{ data: new Uint8Array(engineLimits.valueBytesMax + 1) }] }] },
      { put: ['a', 'b', 'c', 'd', 'e'].map((key) => ({ key, value })) },
      { put: Array.from({ length: engineLimits.operationsMax + 1 }, (_, i) => ({ key: `k${i}`, value: bytes('') })) },
      { append: [{ log: 'l', entries: Array.from({ length: engineLimits.operationsMax + 1 }, () => ({ data: bytes('') })) }] },
      { append: [{ log: 'l', entries: [{ data: bytes(''), attributes: { a: 'x'.repeat(engineLimits.commitBytesMax) } }] }] },
      { id: 'i'.repeat(engineLimits.commitIdCharsMax + 1), put: [{ key: 'a', value: bytes('') }] },
    ];
    for (const commit of beyond) expect(await codeOf(engine.commit(commit))).toBe('engine.limit');
    expect(await codeOf(engine.commit({ put: [{ key: 'ሴ', value: bytes('') }] }))).toBe('bad-request');
    expect((await engine.range({ from: '', to: '\xff' })).entries).toEqual([]);
    await done(engine, { put: [{ key: 'a', value }] });
    expect((await engine.get('a'))?.value.length).toBe(value.length);
  });

  it('takes a commit of the largest size', async () => {
    const { engine } = rig();
    await done(engine, { put: Array.from({ length: engineLimits.operationsMax }, (_, i) => ({ key: tuple('k', i), value: bytes('v') })) });
    expect((await engine.range({ from: '', to: '\xff', keysOnly: true })).entries).toHaveLength(engineLimits.operationsMax);
    await done(engine, {});
  });
}

/** Hints; `engineSuite` calls it. */
export function hintsSuite(rig: () => EngineRig): void {
  it('calls watchers of a prefix and of a log, until they unwatch', async () => {
    const { engine } = rig();
    const calls = { prefix: 0, log: 0, other: 0 };
    const wait = (what: 'prefix' | 'log', above: number): Promise<void> =>
      expect.poll(() => calls[what], { timeout: 30_000, interval: 5 }).toBeGreaterThan(above);
    const unwatch = engine.watch('p/', () => calls.prefix++);
    const unappend = engine.onAppend('l', () => calls.log++);
    engine.watch('q/', () => calls.other++);
    await done(engine, { put: [{ key: 'p/1', value: bytes('') }] });
    await wait('prefix', 0);
    const puts = calls.prefix;
    await done(engine, { delete: ['p/1'], append: [{ log: 'l', entries: [{ data: bytes('') }] }] });
    await wait('prefix', puts);
    await wait('log', 0);
    unwatch();
    unappend();
    const before = { ...calls };
    await done(engine, { put: [{ key: 'p/2', value: bytes('') }], append: [{ log: 'l', entries: [{ data: bytes('') }] }] });
    await engine.get('p/2');
    // `other` may be called: a hint may come without a change.
    expect([calls.prefix, calls.log]).toEqual([before.prefix, before.log]);
  });
}
