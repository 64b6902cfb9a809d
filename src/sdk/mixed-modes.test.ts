import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, type Machine } from '../../test/fixtures/sdk-modes.ts';
import { ProaError } from '../kernel/errors.ts';
import { createApp } from './app.ts';
import type { Mode } from './place.ts';
import type { RunningApp } from './serve.ts';

const modes: readonly Mode[] = ['in-process', 'http', 'grpc'];
const nameOf = (mode: Mode) => `app-${mode}`;

describe('apps of different modes on one machine', () => {
  let machine: Machine;
  const running = new Map<Mode, RunningApp>();
  const got: string[] = [];

  beforeAll(async () => {
    machine = createMachine();
    for (const mode of modes) {
      const app = createApp()
        .handle('who', ({ caller, data }) => ({ me: nameOf(mode), caller, data }))
        .handle('refuse', () => {
          throw new ProaError('permission-denied', 'not for you', { details: { reason: 'NOT_YOURS' } });
        })
        .handle('teapot', () => new Response('short and stout', { status: 418 }))
        .subscribe('pubsub', 'news', ({ data }) => void got.push(`${mode}: ${String(data)}`));
      running.set(mode, await machine.serve(nameOf(mode), mode, app));
    }
  });
  afterAll(() => machine.close(), 30_000);

  const pairs = modes.flatMap((from) => modes.map((to) => [from, to] as const));
  it.each(pairs)('%s calls %s, and its errors come as errors', async (from, to) => {
    const client = running.get(from)?.client;
    expect(await client?.invoke(nameOf(to), 'who', { n: 1 })).toEqual({ me: nameOf(to), caller: nameOf(from), data: { n: 1 } });
    await expect(client?.invoke(nameOf(to), 'refuse')).rejects.toMatchObject({
      code: 'permission-denied',
      message: 'not for you',
      details: { reason: 'NOT_YOURS' },
    });
  });

  // An app that is called over gRPC has no statuses of its own to answer with.
  it.each(pairs.filter(([, to]) => to !== 'grpc'))('%s sees what %s answers that is no error of ours', async (from, to) => {
    const client = running.get(from)?.client;
    const answer = await client?.request(nameOf(to), 'teapot');
    expect([answer?.status, Buffer.from(answer?.body ?? []).toString()]).toEqual([418, 'short and stout']);
    await expect(client?.invoke(nameOf(to), 'teapot')).rejects.toMatchObject({
      code: 'unknown',
      message: `app "${nameOf(to)}" answered teapot with status 418: short and stout`,
    });
  });

  it('all get an event, once each', async () => {
    await running.get('in-process')?.client.publish('pubsub', 'news', 'hello');
    await expect.poll(() => got.toSorted()).toEqual(['grpc: hello', 'http: hello', 'in-process: hello']);
  });

  it('cannot be called any more once they are closed', async () => {
    await running.get('in-process')?.close();
    await expect(running.get('http')?.client.invoke(nameOf('in-process'), 'who')).rejects.toBeInstanceOf(ProaError);
  });
});
