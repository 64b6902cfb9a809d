import { describe, expect, it } from 'vitest';
import { createCall, type Call } from '../../kernel/call.ts';
import { emptyContext, valueOf, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import type { AppBindingAnswer, AppChannel } from '../../contracts/app-channel.ts';
import { BindingError, type BindingEvent, type BindingRequest, type BindingResponse } from '../../contracts/binding.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component, ComponentSet } from '../../contracts/component-set.ts';
import { ungoverned } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { recordingLogger, testPorts } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createBindingsBlock, failureMetadata } from './index.ts';

type Deliver = (event: BindingEvent) => Promise<BindingResponse>;

/** A binding of both directions whose events the test makes. */
function manual(name: string, properties: Record<string, string> = {}) {
  const requests: BindingRequest[] = [];
  let deliver: Deliver | undefined;
  let underWay: Promise<unknown> = Promise.resolve();
  let reads = 0;
  const respond = { next: async (): Promise<BindingResponse> => ({ data: Buffer.from('done') }) };
  const component: Component<'bindings'> = {
    name,
    type: 'bindings.test',
    version: 'v1',
    properties,
    definition: {} as Component<'bindings'>['definition'],
    driver: {
      input: {
        async read(handler) {
          reads++;
          deliver = handler;
          return async () => {
            deliver = undefined;
            await underWay;
          };
        },
      },
      output: {
        operations: ['create', 'get'],
        invoke(request) {
          requests.push(request);
          return respond.next();
        },
      },
      close: async () => {},
    },
  };
  return {
    component,
    requests,
    respond,
    reading: () => deliver !== undefined,
    reads: () => reads,
    send(text: string, metadata: Record<string, string> = {}): Promise<BindingResponse> {
      if (deliver === undefined) throw new Error(`${name} is not being read`);
      const sent = deliver({ data: Buffer.from(text), metadata });
      underWay = sent.catch(() => {});
      return sent;
    },
  };
}

type AppCall = Call<BindingEvent & { readonly name: string; readonly route: string }>;

function rig(
  bindings: ReturnType<typeof manual>[],
  wanted: readonly string[] = [],
  answer: (call: AppCall) => Promise<AppBindingAnswer> = async () => ({}),
) {
  const lines: string[] = [];
  const clock = createFakeClock();
  const probes: ReadonlyMap<string, string>[] = [];
  const calls: AppCall[] = [];
  const saved: unknown[] = [];
  const loaded = new Map(bindings.map(({ component }) => [component.name, component]));
  let changed: Parameters<ComponentSet<'bindings'>['onChange']>[0] = async () => {};
  const channel: Partial<AppChannel> = {
    async inputBindings(routes) {
      probes.push(routes);
      return new Set(wanted);
    },
    binding(call) {
      calls.push(call);
      return answer(call);
    },
  };
  const state: { app: AppChannel | undefined } = { app: channel as AppChannel };
  const context: BlockContext = {
    ports: testPorts({ clock }),
    log: recordingLogger(lines),
    metrics: noMetrics,
    appId: 'shop',
    namespace: 'prod',
    govern: ungoverned,
  };
  const block = createBindingsBlock(context, {
    bindings: {
      get: (name) => loaded.get(name),
      list: () => [...loaded.values()],
      onChange: (listener) => ((changed = listener), () => {}),
    },
    channel: () => state.app,
    saveState: async (call) => {
      if (call.input.store === 'broken') throw new Error('disk full');
      saved.push(call.input);
    },
  });
  const invoke = (name: string, operation: string, metadata: Record<string, string> = {}, context_ = emptyContext) =>
    block.invoke(
      createCall(
        { block: 'bindings', name: operation, idempotent: false },
        { name, operation, data: Buffer.from('x'), metadata },
        { context: context_ },
      ),
    );
  return {
    block,
    lines,
    clock,
    probes,
    calls,
    saved,
    loaded,
    state,
    invoke,
    reload: (change: Parameters<typeof changed>[0]) => changed(change),
  };
}

describe('output bindings', () => {
  it('refuse unknown names, empty and unsupported operations, and the input side, with the texts of Dapr', async () => {
    const { invoke } = rig([manual('queue'), manual('tick', { direction: 'input' })]);
    const cases: [string, string, string][] = [
      ['none', 'create', "error invoking output binding none: couldn't find output binding none"],
      ['tick', 'create', "error invoking output binding tick: couldn't find output binding tick"],
      ['queue', '', 'error invoking output binding queue: operation field is missing from request'],
      [
        'queue',
        'drop',
        'error invoking output binding queue: binding queue does not support operation drop. supported operations:create get',
      ],
    ];
    for (const [name, operation, message] of cases)
      await expect(invoke(name, operation)).rejects.toMatchObject({ code: 'binding.failed', message });
  });

  it('hand over data, metadata and the trace of the caller, which nothing in the request can replace', async () => {
    const queue = manual('queue', { direction: 'input, OUTPUT' });
    const { invoke } = rig([queue]);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const context = withValue(emptyContext, traceKey, { traceparent, tracestate: 'a=1', baggage: 'user=7' });
    expect(await invoke('queue', 'get', { path: '/x', traceparent: 'forged' }, context)).toEqual({ data: Buffer.from('done') });
    expect(queue.requests[0]).toEqual({
      operation: 'get',
      data: Buffer.from('x'),
      metadata: { path: '/x', traceparent, tracestate: 'a=1', baggage: 'user=7' },
    });
    await invoke('queue', 'create', { k: 'v' });
    expect(queue.requests[1]?.metadata).toEqual({ k: 'v' });
  });

  it('keep the response metadata of a failure', async () => {
    const queue = manual('queue');
    const { invoke } = rig([queue]);
    queue.respond.next = () => Promise.reject(new BindingError('received status code 404', { statusCode: '404' }));
    const error: unknown = await invoke('queue', 'get').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'binding.failed', message: 'error invoking output binding queue: received status code 404' });
    expect(failureMetadata(error)).toEqual({ statusCode: '404' });
    expect(failureMetadata(new ProaError('internal', 'x'))).toBeUndefined();
  });
});

describe('input bindings', () => {
  it('are read at once when the YAML says so, else when the app wants them, and not when it says output', async () => {
    const [explicit, asked, unwanted, output] = [
      manual('a', { direction: 'input' }),
      manual('b', { Route: '/custom' }),
      manual('c'),
      manual('d', { direction: 'output' }),
    ];
    const { block, probes, lines } = rig([explicit, asked, unwanted, output], ['b']);
    await block.start();
    expect([explicit, asked, unwanted, output].map((binding) => binding.reading())).toEqual([true, true, false, false]);
    expect(probes).toEqual([
      new Map([
        ['b', 'custom'],
        ['c', 'c'],
      ]),
    ]);
    expect(lines.join()).toContain('does not want events');
    await block.start();
    expect(explicit.reads()).toBe(1);
    await block.close();
    expect(explicit.reading()).toBe(false);
  });

  it('need an app', async () => {
    const tick = manual('tick', { direction: 'input' });
    const { block, state } = rig([tick]);
    state.app = undefined;
    await expect(block.start()).rejects.toMatchObject({ code: 'app-channel-nil' });
    expect(tick.reading()).toBe(false);
  });

  it("bring the event to the app's route within the event's trace, and its answer back to the driver", async () => {
    const tick = manual('tick', { direction: 'input', route: 'on-tick' });
    const { block, calls } = rig([tick], [], async () => ({ data: Buffer.from('seen'), contentType: 'text/plain', storeName: '', to: [] }));
    await block.start();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(await tick.send('hello', { traceparent, id: '1' })).toEqual({ data: Buffer.from('seen'), contentType: 'text/plain' });
    const [call] = calls as [AppCall];
    expect(call.input).toMatchObject({ name: 'tick', route: 'on-tick', data: Buffer.from('hello'), metadata: { id: '1' } });
    expect(valueOf(call.context, traceKey).traceparent).toBe(traceparent);
    expect(call.caller).toEqual({ appId: 'shop', namespace: 'prod' });
    expect(call.end.outcome).toEqual({ ok: true });
  });

  it('tell the driver when the app failed, so that it can redeliver', async () => {
    const tick = manual('tick', { direction: 'input' });
    const { block, calls } = rig([tick], [], () => Promise.reject(new ProaError('unavailable', 'no app')));
    await block.start();
    await expect(tick.send('x')).rejects.toMatchObject({ code: 'unavailable' });
    expect(calls[0]?.end.outcome?.ok).toBe(false);
  });

  it('save the state and call the output bindings that the answer names', async () => {
    const [tick, one, two] = [manual('tick', { direction: 'input' }), manual('one'), manual('two')];
    const answers: AppBindingAnswer[] = [
      {
        state: [{ key: 'k', value: Buffer.from('v') }],
        storeName: 'store',
        to: ['one', 'none', 'two'],
        concurrency: 'parallel',
        data: Buffer.from('d'),
      },
      { to: ['one', 'none', 'two'], concurrency: 'sequential', data: Buffer.from('e') },
      { to: ['one'] },
      { state: [{ key: 'k', value: Buffer.from('v') }], storeName: 'broken', to: ['one'] },
      { state: [{ key: 'k', value: Buffer.from('v') }] },
    ];
    const { block, saved, lines } = rig([tick, one, two], [], async () => answers.shift() ?? {});
    await block.start();
    await tick.send('1');
    expect(saved).toEqual([{ store: 'store', items: [{ key: 'k', value: Buffer.from('v'), metadata: {} }] }]);
    expect([one.requests.length, two.requests.length]).toEqual([1, 1]);
    expect(one.requests[0]).toEqual({ operation: 'create', data: Buffer.from('d'), metadata: {} });
    await tick.send('2');
    expect([one.requests.length, two.requests.length]).toEqual([2, 1]);
    await tick.send('3');
    expect(one.requests.at(-1)?.data).toEqual(new Uint8Array(0));
    await tick.send('4');
    await tick.send('5');
    expect(one.requests).toHaveLength(3);
    const failures = lines.filter((line) => line.startsWith('error'));
    expect(failures.map((line) => /"error":"([^"]*)"/.exec(line)?.[1])).toEqual([
      "error invoking output binding none: couldn't find output binding none",
      "error invoking output binding none: couldn't find output binding none",
      'disk full',
      'the answer holds state but no storeName',
    ]);
  });

  it('finish events within the grace of a pause and are cancelled after it', async () => {
    const tick = manual('tick', { direction: 'input' });
    const { block, clock, lines } = rig([tick], [], (call) => new Promise((_resolve, reject) => void call.cancel.onCancel(reject)));
    await block.start();
    const sent = tick.send('slow').catch((error: unknown) => error);
    const paused = block.pause(3_000);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(2_999);
    expect(tick.reading()).toBe(false);
    clock.advance(1);
    expect(await sent).toMatchObject({ code: 'cancelled' });
    await paused;
    expect(clock.waiting).toBe(0);
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([]);
    await block.start();
    expect(tick.reading()).toBe(true);
  });

  it('follow reloads while reading, and only then', async () => {
    const [first, second] = [manual('first', { direction: 'input' }), manual('second', { direction: 'input' })];
    const { block, loaded, reload } = rig([first]);
    loaded.set('second', second.component);
    await reload({ added: ['second'], removed: [] });
    expect(second.reading()).toBe(false);
    await block.start();
    const replacement = manual('second', { direction: 'input' });
    loaded.set('second', replacement.component);
    loaded.delete('first');
    await reload({ added: ['second'], removed: ['first', 'second'] });
    expect([first, second, replacement].map((binding) => binding.reading())).toEqual([false, false, true]);
  });
});
