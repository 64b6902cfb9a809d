import { describe, expect, it } from 'vitest';
import type { CallRecord } from '../contracts/decisions.ts';
import { bytesBody } from '../kernel/body.ts';
import { ProaError } from '../kernel/errors.ts';
import { createCallRecords } from '../telemetry/call-records.ts';
import { governTarget, type GovernedOptions } from '../testing/simulator/governed-target.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${traceId}-00f067aa0ba902b7-00`;
const sampled = `00-${traceId}-00f067aa0ba902b7-01`;

const policy = (name: string, spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n---\n`;

async function rig(options: Omit<GovernedOptions, 'records'>) {
  const records = createCallRecords();
  const target = await governTarget({ ...options, records });
  return { ...target, told: () => records.find(traceId), last: () => records.find(traceId).at(-1) as CallRecord };
}

/** Who decided what, because of which line. */
const decisions = ({ decisions: made }: CallRecord): string[] =>
  made.map(({ role, kind, policy: by = '', origin = '', attempt }) => `${attempt} ${role} ${kind}: ${by} ${origin}`.trim());

describe('what is remembered of a call', () => {
  it('is nothing while it succeeds at once and is not sampled', async () => {
    const { call, pass, told } = await rig({ yaml: policy('p', '{ target: { app: orders }, retry: {}, breaker: {}, deadline: 1s }') });
    call({ traceparent });
    await pass(10);
    expect(told()).toEqual([]);
    call({ traceparent: sampled });
    await pass(10);
    expect(told()).toMatchObject([
      { ok: true, status: 200, flags: ['sampled'], side: 'outbound', app: 'target', target: 'orders', caller: 'web' },
    ]);
  });

  it('is nothing when it belongs to no trace', async () => {
    const records = createCallRecords();
    const target = await governTarget({ yaml: '', records, answer: () => ({ status: 500 }) });
    target.call();
    await target.pass(10);
    expect(records.bytes).toBe(0);
  });

  it('are its attempts, the breaker that opened, and the refusal that followed, each with the line of its policy', async () => {
    const yaml = policy(
      'shop',
      '\n  target: { app: orders }\n  retry: { maxRetries: 5, backoff: { initial: 20ms, max: 20ms } }\n  breaker: { per: target, consecutive: 3 }',
    );
    const { call, pass, last } = await rig({ yaml, answer: () => ({ status: 503, afterMs: 10 }) });
    const { done } = call({ traceparent, path: 'orders/17' });
    await pass(500);
    expect(await done).toBe('circuit-open');
    const record = last();
    expect(record).toMatchObject({ ok: false, error: { code: 'circuit-open' }, method: 'GET', path: '/orders/{}', lost: 0 });
    expect(record.flags).toEqual(['failed', 'retried', 'breaker-opened', 'refused:breaker']);
    expect(
      record.attempts.map(({ number, atMs, tookMs, status, error, breakerBefore, breakerAfter }) => ({
        number,
        atMs,
        tookMs,
        status,
        error,
        breakerBefore,
        breakerAfter,
      })),
    ).toEqual([
      { number: 0, atMs: 0, tookMs: 10, status: 503, error: undefined, breakerBefore: 'closed', breakerAfter: 'closed' },
      { number: 1, atMs: 20, tookMs: 10, status: 503, error: undefined, breakerBefore: 'closed', breakerAfter: 'closed' },
      { number: 2, atMs: 40, tookMs: 10, status: 503, error: undefined, breakerBefore: 'closed', breakerAfter: 'open' },
      { number: 3, atMs: 60, tookMs: 0, status: undefined, error: 'circuit-open', breakerBefore: 'open', breakerAfter: undefined },
    ]);
    expect(decisions(record)).toEqual([
      '0 retry repeated: Policy "shop" /r/all.yaml:6',
      '1 retry repeated: Policy "shop" /r/all.yaml:6',
      '2 retry repeated: Policy "shop" /r/all.yaml:6',
      '2 breaker changed: Policy "shop" /r/all.yaml:7',
      '3 breaker refused: Policy "shop" /r/all.yaml:7',
      '3 retry gave-up: Policy "shop" /r/all.yaml:6',
    ]);
    expect(record.decisions[0]?.what).toBe('attempt 1 failed (status 503); repetition 1 of 5 follows in 10ms');
    expect(record.decisions.at(-1)?.what).toBe('attempt 4 failed (circuit-open); not repeated: repeating cannot help');
  });

  it.each<[string, Omit<GovernedOptions, 'records'>, string, string]>([
    [
      'a rate limit',
      { yaml: policy('p', '{ target: { app: orders }, limits: [{ requests: 0 }] }') },
      'overloaded',
      '0 limit refused: Policy "p" /r/all.yaml:4',
    ],
    [
      'an injected failure',
      { yaml: policy('p', '{ target: { app: orders }, fault: { abort: { status: 500 } } }') },
      '500',
      '0 fault refused: Policy "p" /r/all.yaml:4',
    ],
    [
      'the deadline',
      { yaml: policy('p', '{ target: { app: orders }, deadline: 50ms }'), answer: () => ({ silent: true }) },
      'deadline-exceeded',
      '0 deadline refused: Policy "p" /r/all.yaml:4',
    ],
    [
      'the time of an attempt',
      { yaml: policy('p', '{ target: { app: orders }, timeout: 50ms }'), answer: () => ({ silent: true }) },
      'deadline-exceeded',
      '0 attempt gave-up: Policy "p" /r/all.yaml:4',
    ],
    [
      'a full bulkhead',
      {
        yaml: policy('p', '{ target: { app: orders }, bulkhead: { maxConcurrent: 1 } }'),
        answer: ({ number }) => (number === 1 ? { silent: true } : {}),
      },
      'overloaded',
      '0 concurrency refused: Policy "p" /r/all.yaml:4',
    ],
    [
      'system protection',
      {
        yaml: policy('p', '{ target: { app: orders, at: callee }, system: { maxConcurrent: 1 } }'),
        target: { direction: 'inbound' },
        answer: ({ number }) => (number === 1 ? { silent: true } : {}),
      },
      'overloaded',
      '0 system refused: Policy "p" /r/all.yaml:4',
    ],
    [
      'authorisation',
      { yaml: policy('p', '{ target: { app: orders, at: callee }, authorise: { action: deny } }'), target: { direction: 'inbound' } },
      'invoke.denied',
      '0 access refused: Policy "p" /r/all.yaml:4',
    ],
    [
      'access control of a Configuration',
      {
        yaml: '',
        target: { direction: 'inbound' },
        accessControl: { defaultAction: 'deny', trustDomain: 'public', policies: [] },
        origins: { 'spec.tracing.stdout': '/c.yaml:2', 'spec.accessControl.defaultAction': '/c.yaml:9' },
      },
      'invoke.denied',
      '0 authorise refused: Configuration /c.yaml:9',
    ],
  ])('names %s as what refused', async (what, options, ends, decision) => {
    const { call, pass, last } = await rig(options);
    if (what === 'a full bulkhead' || what === 'system protection') call();
    await pass(1);
    const { done } = call({ traceparent });
    await pass(100);
    expect(await done).toBe(ends);
    expect(decisions(last())).toContain(decision);
    expect(last()).toMatchObject({ ok: false, traceId });
  });

  it('tells what is left of a deadline, and waits, splits, copies and answers in place of the target', async () => {
    const yaml =
      policy(
        'p',
        '{ target: { app: orders }, deadline: 2s, fault: { delay: { fixed: 300ms } }, split: { targets: [{ version: v1, weight: 1 }, { version: v2, weight: 9 }] }, mirror: { app: copy } }',
      ) + policy('q', '{ target: { app: "*" }, fallback: { answer: { status: 203 }, on: [failed] } }');
    const { call, pass, last } = await rig({ yaml, answer: () => ({ status: 500 }) });
    const { done } = call({ traceparent, deadlineMs: 1_000 });
    await pass(1_000);
    expect(await done).toBe('203');
    expect(last()).toMatchObject({ ok: true, status: 203, deadlineLeftMs: 700 });
    expect(
      last()
        .decisions.map(({ role, kind }) => `${role} ${kind}`)
        .toSorted(),
    ).toEqual(['fallback answered', 'fault waited', 'mirror chose', 'split chose']);
    expect(last().flags).toEqual(expect.arrayContaining(['fault', 'split', 'mirror', 'fallback']));
  });

  it('are both attempts of a hedged call', async () => {
    const yaml = policy('p', '{ target: { app: orders }, hedge: { after: 50ms } }');
    const { call, pass, last } = await rig({ yaml, answer: ({ number }) => (number === 1 ? { silent: true } : { afterMs: 10 }) });
    call({ traceparent });
    await pass(100);
    expect(last()).toMatchObject({ ok: true, flags: ['hedged'] });
    expect(last().attempts).toMatchObject([
      { number: 0, ok: false, error: 'cancelled' },
      { number: 1, atMs: 50, tookMs: 10, ok: true },
    ]);
  });

  it('never holds a header, a body, a query, a value in a path, or credentials of a URL', async () => {
    const { call, pass, told } = await rig({
      yaml: policy('p', '{ target: { app: orders, at: callee }, authorise: { action: deny } }'),
      target: { direction: 'inbound' },
    });
    call({
      traceparent,
      path: 'reset/s3cr3t-token',
      headers: ['authorization', 's3cr3t-token'],
      body: bytesBody(Buffer.from('s3cr3t-token')),
    });
    await pass(10);
    expect(told()).toHaveLength(1);
    expect(JSON.stringify(told())).not.toContain('s3cr3t');
    const failing = await rig({
      yaml: '',
      answer: () => ({ error: new ProaError('invoke.failed', 'no way to http://me:s3cr3t@host/x?token=s3cr3t') }),
    });
    failing.call({ traceparent });
    await failing.pass(10);
    expect(failing.last().error?.message).toBe('no way to http://***@host/x?…');
  });

  it('is bounded for one call', async () => {
    const yaml = policy(
      'p',
      '{ target: { app: orders }, retry: { maxRetries: 100, budget: { percent: 100, perSecond: 1000 }, backoff: { initial: 1ms, max: 1ms } } }',
    );
    const { call, pass, last } = await rig({ yaml, answer: () => ({ status: 503 }) });
    call({ traceparent });
    await pass(1_000);
    expect(last().attempts).toHaveLength(32);
    expect(last().decisions).toHaveLength(64);
    expect(last().lost).toBe(69 + 37);
  });
});

describe('what a runtime remembers', () => {
  const record = (id: number): CallRecord => ({
    traceId: id.toString(16).padStart(32, '0'),
    app: 'a',
    side: 'outbound',
    block: 'invoke',
    target: 'b',
    operation: 'call',
    caller: 'a',
    epoch: 0,
    startedAtMs: id,
    tookMs: 1,
    ok: true,
    flags: [],
    attempts: [],
    decisions: [],
    lost: 0,
  });

  it('has a fixed size: the oldest gives way', () => {
    const records = createCallRecords(10_000);
    for (let i = 1; i <= 5_000; i++) records.add(() => record(i));
    expect(records.bytes).toBeLessThanOrEqual(10_000);
    expect(records.bytes).toBeGreaterThan(9_000);
    expect(records.find(record(1).traceId)).toEqual([]);
    expect(records.find(record(5_000).traceId)).toEqual([record(5_000)]);
    expect(records.find(record(4_000).traceId)).toEqual([]);
  });

  it('does not let one trace grow without end, nor one record push out all', () => {
    const records = createCallRecords(10_000);
    for (let i = 1; i <= 100; i++) records.add(() => ({ ...record(7), startedAtMs: i }));
    expect(records.find(record(7).traceId).length).toBeLessThan(15);
    expect(records.find(record(7).traceId).at(-1)?.startedAtMs).toBe(100);
    records.add(() => ({ ...record(8), error: { code: 'x', message: 'y'.repeat(20_000) } }));
    expect(records.find(record(8).traceId)).toEqual([]);
    expect(records.find(record(7).traceId)).not.toEqual([]);
  });
});
