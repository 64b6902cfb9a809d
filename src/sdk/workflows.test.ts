import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, type Machine } from '../../test/fixtures/sdk-modes.ts';
import { createApp } from './app.ts';
import type { Client } from './client.ts';
import type { Mode } from './place.ts';
import type { RunningApp } from './serve.ts';
import { activity, workflow, workflowOf } from './workflow/definition.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each<Mode>(['in-process', 'http', 'grpc'])('workflows of an app, %s', (mode) => {
  const seen = { aborted: 0, beats: 0 };
  const price = activity({ name: 'price' }, (count: number) => count * 2.5);
  const order = workflow({ name: 'order' }, async (ctx, { count }: { count: number }) => {
    const id = await ctx.run('reserve', () => new Map([[count, new Date(count)]]));
    ctx.setStatus('reserved');
    ctx.setAttributes({ kind: 'small' });
    const total = await ctx.call(price, count);
    const paid = await ctx.waitFor('paid', { timeout: '1h' });
    return { id, total, paid };
  });
  const slow = workflow({ name: 'slow' }, (ctx) =>
    ctx.run(
      'long',
      async ({ signal, heartbeat }) => {
        await heartbeat('begun');
        seen.beats++;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        seen.aborted++;
      },
      { heartbeat: '10s', retry: false },
    ),
  );
  const large = workflow({ name: 'large', retry: false }, (ctx) =>
    ctx.run('large', () => 'x'.repeat(4 * 1024 * 1024 - 20)).then(({ length }) => length),
  );
  const lost = workflow({ name: 'lost' }, () => new Promise(() => {}));
  let machine: Machine;
  let running: RunningApp;
  let client: Client;

  beforeAll(async () => {
    machine = createMachine();
    const app = createApp().workflow(order).workflow(slow).workflow(large).workflow(lost).activity(price);
    running = await machine.serve('shop', mode, app);
    client = running.client;
  });
  afterAll(() => machine.close());

  it('run, with events, status and attributes', async () => {
    const run = await client.workflows.start(order, { count: 2 }, { id: 'one', tags: { who: 'Ada' } });
    while ((await run.state())?.customStatus !== 'reserved') await tick();
    await run.raise('paid', { cents: 500n });
    expect(await run.result()).toEqual({ id: new Map([[2, new Date(2)]]), total: 5, paid: { cents: 500n } });
    expect(await run.state()).toMatchObject({ status: 'COMPLETED', attributes: { kind: 'small' }, tags: { who: 'Ada' } });
    expect((await client.workflows.list({ name: 'order' })).instances.map(({ instanceId }) => instanceId)).toEqual(['one']);
    expect((await run.history())[0]).toMatchObject({ type: 'workflowStarted' });
    const again = await run.rerun((await run.history()).find(({ type }) => type === 'timerCreated')?.id ?? 0, { id: 'again' });
    await again.raise('paid', 1);
    expect((await again.result()).paid).toBe(1);
    await run.purge();
    expect(await run.state()).toBeUndefined();
    await expect(run.raise('paid')).rejects.toMatchObject({ code: 'workflow.not-found' });
  });

  it('are cancelled, and their steps hear it; signs of life go through', async () => {
    const run = await client.workflows.start(slow);
    while (seen.beats === 0) await tick();
    await run.cancel('enough');
    await expect(run.result()).rejects.toMatchObject({ code: 'cancelled', message: 'the workflow was cancelled: enough' });
    while (seen.aborted === 0) await tick();
  });

  it('are suspended, resumed and terminated', async () => {
    const run = await client.workflows.start(order, { count: 1 });
    await run.suspend('lunch');
    expect((await run.state())?.status).toBe('SUSPENDED');
    await run.resume();
    await run.terminate({ sorry: true });
    await expect(run.result()).rejects.toMatchObject({ code: 'workflow.terminated' });
    expect((await run.state())?.output).toEqual({ sorry: true });
  });

  it('say when a value is too large for the way', async () => {
    const run = await client.workflows.start(large);
    const result = await run.result().catch((error: Error) => error.message);
    if (mode === 'in-process') expect(result).toBe(4 * 1024 * 1024 - 20);
    else expect(result).toMatch(/^the result of "large" takes \d+ bytes, and the runtime reads \d+$/);
  });

  it('stall when they wait for what is not recorded, and say why', async () => {
    const run = await client.workflows.start(lost);
    let state = await run.state();
    while (state?.status !== 'STALLED') {
      await tick();
      state = await run.state();
    }
    expect(state.stall?.description).toContain('waits for something that is not recorded');
    await run.terminate();
  });

  it('refuse what cannot be, and give up waiting', async () => {
    const tooLong = client.workflows.start(order, { count: 1 }, { id: 'x'.repeat(300) });
    await expect(tooLong).rejects.toMatchObject({ code: expect.stringMatching(/^workflow\./) as string });
    await client.workflows.start(workflowOf('shop', 'order', '7'), { count: 1 }, { id: 'seven' });
    await expect(client.workflows.start(order, { count: 1 }, { id: 'seven' })).rejects.toMatchObject({ code: 'workflow.exists' });
    await expect(client.workflows.get(order, 'seven').result({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'deadline-exceeded' });
    await expect(client.workflows.get(order, 'nobody').result()).rejects.toMatchObject({ code: 'workflow.not-found' });
  });
});

describe('an app beside a sidecar', () => {
  it('goes on with its workflows when it comes back', async () => {
    const done: string[] = [];
    const order = workflow({ name: 'order' }, async (ctx) => {
      await ctx.run('first', () => done.push('first'));
      await ctx.waitFor('go');
      await ctx.run('second', () => done.push('second'));
    });
    const machine = createMachine();
    try {
      const first = await machine.serve('shop', 'grpc', createApp().workflow(order));
      const run = await first.client.workflows.start(order, undefined, { id: 'one' });
      while (done.length === 0 || (await run.history()).length < 4) await tick();
      await first.close();
      const second = await machine.serve('shop', 'grpc', createApp().workflow(order));
      const again = second.client.workflows.get(order, 'one');
      await again.raise('go');
      await again.result();
      expect(done).toEqual(['first', 'second']);
    } finally {
      await machine.close();
    }
  });
});
