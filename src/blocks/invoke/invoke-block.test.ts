import { describe, expect, it } from 'vitest';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { ungoverned, type Govern } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { retry } from '../../filters/retry/retry.ts';
import { emptyBody } from '../../kernel/body.ts';
import { createCall, type Call } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { silentLogger } from '../../kernel/log.ts';
import { noTrace, traceKey } from '../../kernel/trace-context.ts';
import { EndpointGroup } from '../../mesh/balance/endpoint-group.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createInvokeBlock } from './invoke-block.ts';

const at = (instance: string): Endpoint => ({ appId: 'orders', namespace: '', instance, local: { path: instance } });

function rig(govern: Govern, send: (instance: string, call: Call<InvokeRequest>) => Promise<InvokeResponse>) {
  const ports = nodePorts();
  let endpoints = [at('a'), at('b')];
  let changed: (appId: string, namespace: string) => void = () => {};
  let asked = 0;
  const block = createInvokeBlock(
    { ports, log: silentLogger, metrics: noMetrics, appId: 'web', namespace: '', govern },
    {
      resolver: {
        resolve: () => {
          asked++;
          return Promise.resolve({ endpoints, source: 'test' });
        },
        onChange: (listener) => {
          changed = listener;
          return () => {};
        },
        close: () => Promise.resolve(),
      },
      balance: (appId) => new EndpointGroup({ clock: ports.clock, random: ports.random, appId, zone: '' }),
      announced: () => Promise.resolve(['web', 'orders', 'a'].map((appId) => ({ appId, namespace: '', instance: appId }))),
      peers: { send: (endpoint, call) => send(endpoint.instance, call) },
      external: { send: () => Promise.reject(new Error('not used here')) },
      channel: () => undefined,
      httpEndpoints: () => new Map(),
      hostAddress: '127.0.0.1',
    },
  );
  const none: readonly string[] = [];
  const hints: (string | undefined)[] = [];
  const invoke = async (
    appId: string,
    { deadlineMs = Infinity, caller = { appId: 'web', namespace: '' }, headers = none },
  ): Promise<number | string> => {
    const input: InvokeRequest = {
      appId,
      namespace: '',
      httpMethod: 'GET',
      path: 'x',
      query: '',
      headers,
      body: emptyBody,
      replayable: true,
    };
    const context = withValue(emptyContext, traceKey, { ...noTrace, traceparent: '00-trace' });
    const made = createCall({ block: 'invoke', name: 'call', idempotent: true }, input, { deadlineMs, caller, context });
    try {
      const { status } = await block.call(made);
      made.end.fire({ ok: status < 500, status });
      return status;
    } catch (thrown) {
      made.end.fire({ ok: false, error: thrown });
      const { code, hint } = ProaError.from(thrown);
      hints.push(hint);
      return code;
    }
  };
  return {
    call: (deadlineMs = Infinity, caller = { appId: 'web', namespace: '' }, headers = none) =>
      invoke('orders', { deadlineMs, caller, headers }),
    callApp: (appId: string) => invoke(appId, {}),
    hints,
    asked: () => asked,
    become(instances: readonly string[]) {
      endpoints = instances.map(at);
      changed('orders', '');
    },
  };
}

const ok: InvokeResponse = { status: 200, headers: [], body: emptyBody };

describe('the invocation block', () => {
  it('balances over the instances, asks for them once, and follows their changes', async () => {
    const seen = new Map<string, number>();
    const { call, asked, become } = rig(ungoverned, (instance) => {
      seen.set(instance, (seen.get(instance) ?? 0) + 1);
      return Promise.resolve(ok);
    });
    for (let i = 0; i < 200; i++) expect(await call()).toBe(200);
    expect([...seen.keys()].toSorted()).toEqual(['a', 'b']);
    expect(asked()).toBe(1);
    become(['c']);
    seen.clear();
    for (let i = 0; i < 10; i++) await call();
    expect([...seen]).toEqual([['c', 10]]);
    expect(asked()).toBe(2);
    become([]);
    expect(await call()).toBe('invoke.failed');
  });

  it('sends a repetition to another instance and hardly any call to a dead one', async () => {
    const { clock } = nodePorts();
    const repeated: Govern = (_target, service) =>
      retry<never, never>({
        clock,
        retriesMax: 1,
        elapsedMaxMs: Infinity,
        delayMs: () => 0,
        matches: () => true,
        coded: true,
        repeatable: (call) => ({ first: call.input, again: () => call.input }),
      })(service as never) as never;
    let dead = 0;
    const { call } = rig(repeated, (instance) => {
      if (instance !== 'a') return Promise.resolve(ok);
      dead++;
      return Promise.reject(new ProaError('unavailable', 'refused'));
    });
    for (let i = 0; i < 300; i++) expect(await call()).toBe(200);
    // Retry amplification with one endpoint dead stays far below a fifth.
    expect(dead).toBeLessThan(30);
  });

  it('gives calls with the same headers the same list, of their own caller, without the trace of any', async () => {
    const { clock } = nodePorts();
    const seen: (readonly string[])[] = [];
    const { call } = rig(ungoverned, (_instance, { input }) => {
      seen.push(input.headers);
      return Promise.resolve(ok);
    });
    const headers = ['x', '1', 'traceparent', 'theirs', 'tracestate', 'theirs', 'dapr-caller-app-id', 'forged'];
    const stamped = (appId: string) => ['x', '1', 'dapr-caller-app-id', appId, 'dapr-caller-namespace', '', 'dapr-callee-app-id', 'orders'];
    for (const appId of ['web', 'web', 'other', 'web']) await call(Infinity, { appId, namespace: '' }, headers);
    await call(clock.mono() + 2_000, { appId: 'web', namespace: '' }, headers);
    await call(Infinity, { appId: 'web', namespace: '' }, headers.slice(0, 2));
    expect(seen.map((list) => list.slice(0, 8))).toEqual([...['web', 'web', 'other', 'web', 'web', 'web'].map(stamped)]);
    expect(seen[1]).toBe(seen[0]);
    expect(seen.map((list) => list.includes('grpc-timeout'))).toEqual([false, false, false, false, true, false]);
    expect(seen.some((list) => list.includes('traceparent') || list.includes('00-trace'))).toBe(false);
  });

  it('tells the callee how much time is left, and lets limits and refusals of the callee through as they are', async () => {
    const { clock } = nodePorts();
    let timeout = '';
    const codes = ['overloaded', 'shed', 'circuit-open', 'invoke.denied', 'deadline-exceeded'] as const;
    let next = 0;
    const { call } = rig(ungoverned, (_instance, { input }) => {
      timeout = input.headers[input.headers.indexOf('grpc-timeout') + 1] as string;
      const code = codes[next++];
      return code === undefined
        ? Promise.reject(new Error('odd'))
        : Promise.reject(new ProaError(code, 'x', { details: { metadata: { retryAfterMs: '5' } } }));
    });
    for (const code of codes) expect(await call(clock.mono() + 2_000)).toBe(code);
    expect(Number(timeout.replace('u', ''))).toBeLessThanOrEqual(2_000_000);
    expect(await call()).toBe('invoke.failed');
  });

  it('remembers the apps that were called, and not the heads that named them', async () => {
    const { callApp } = rig(ungoverned, () => Promise.resolve(ok));
    const bytes = await keptBytes(async () => {
      for (let i = 0; i < 1_000; i++) expect(await callApp(cutOut(`app-of-one-job-${i}`, 65_536))).toBe(200);
    });
    // With the heads it would be 64 MB.
    expect(bytes).toBeLessThan(30_000_000);
  });

  it('that nobody runs is told with the name that was probably meant', async () => {
    const { callApp, become, hints } = rig(ungoverned, () => Promise.resolve(ok));
    become([]);
    for (const name of ['odrers', 'wev', 'b']) expect(await callApp(name)).toBe('invoke.failed');
    expect(hints).toEqual(['did you mean orders?', 'did you mean web?', 'is it running? `proa list` shows the apps that are']);
  });
});
