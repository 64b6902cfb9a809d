import { describe, expect, it } from 'vitest';
import { arriving, Turn } from './turn.ts';

const turnOver = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('Turn', () => {
  it('reads first, then lets promises settle, then writes, in one turn', async () => {
    const turn = new Turn();
    const order: string[] = [];
    const writer = { flush: () => void order.push('write') };
    const reader = (name: string) => ({
      deliverHeld() {
        order.push(name);
        void Promise.resolve().then(() => {
          order.push(`${name} answered`);
          turn.wrote(writer);
        });
      },
    });
    turn.arrived(reader('first'));
    turn.arrived(reader('second'));
    expect(order).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['first', 'second', 'first answered', 'second answered', 'write', 'write']);
  });

  it('says while something was read that was not handled yet, of whichever turn', async () => {
    const [one, other] = [new Turn(), new Turn()];
    const seen: boolean[] = [];
    const reader = { deliverHeld: () => void seen.push(arriving()) };
    setImmediate(() => seen.push(arriving()));
    expect(arriving()).toBe(false);
    one.arrived(reader);
    one.arrived(reader);
    other.arrived(reader);
    await turnOver();
    // Before it is handled; while the first turn hands out what it holds the second holds some still.
    expect(seen).toEqual([true, true, true, false]);
    expect(arriving()).toBe(false);
  });

  it('writes at the end of a turn in which nothing was read', async () => {
    const turn = new Turn();
    let flushed = 0;
    turn.wrote({ flush: () => void flushed++ });
    expect(flushed).toBe(0);
    await turnOver();
    expect(flushed).toBe(1);
    turn.wrote({ flush: () => void flushed++ });
    await turnOver();
    expect(flushed).toBe(2);
  });

  it('copies small chunks into buffers that it uses again, and no large ones', () => {
    const turn = new Turn();
    const chunk = Buffer.from('some bytes');
    const held = turn.hold(chunk) as Buffer;
    chunk.fill('x');
    expect(held.toString()).toBe('some bytes');
    const second = turn.hold(chunk) as Buffer;
    expect(second).not.toBe(held);
    turn.release(held);
    expect(turn.hold(Buffer.from('10 letters'))).toBe(held);
    expect(turn.hold(Buffer.from('11 letters.'))).not.toBe(held);
    expect(turn.hold(Buffer.alloc(2048))).toHaveLength(2048);
    expect(turn.hold(Buffer.alloc(2049))).toBeUndefined();
  });

  it('keeps a bounded number of buffers', () => {
    const turn = new Turn();
    const held = Array.from({ length: 600 }, () => turn.hold(Buffer.alloc(100)) as Buffer);
    for (const buffer of held) turn.release(buffer);
    const again = new Set(held.map(() => turn.hold(Buffer.alloc(100)) as Buffer));
    expect(held.filter((buffer) => again.has(buffer))).toHaveLength(512);
  });

  it('delivers to the others when one of them throws', async () => {
    const turn = new Turn();
    const delivered: number[] = [];
    const thrown = new Promise((resolve) => {
      const before = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of before) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    const failure = new Error('a reader failed');
    for (const number of [1, 2, 3]) {
      turn.arrived({
        deliverHeld() {
          if (number === 2) throw failure;
          delivered.push(number);
        },
      });
    }
    expect(await thrown).toBe(failure);
    await turnOver();
    expect(delivered).toEqual([1, 3]);
  });

  describe('when it is quiet', () => {
    const quietTurns = 16;

    /** One turn in which so many readers had something. */
    async function turnOf(turn: Turn, readers: number): Promise<void> {
      for (let i = 0; i < readers; i++) turn.arrived({ deliverHeld() {} });
      await turnOver();
    }

    it('handles at once what comes after turns with one message each, and counts one of sixteen', async () => {
      const turn = new Turn();
      for (let i = 0; i < quietTurns; i++) {
        expect([turn.quiet, turn.handlesAtOnce()]).toEqual([false, false]);
        await turnOf(turn, 1);
      }
      for (let round = 0; round < 3; round++) {
        expect(turn.quiet).toBe(true);
        const answers = Array.from({ length: quietTurns }, () => turn.handlesAtOnce());
        expect(answers).toEqual([...Array.from({ length: quietTurns - 1 }, () => true), false]);
        await turnOf(turn, 1);
      }
    });

    it('orders turns again when one of them brought two messages', async () => {
      const turn = new Turn();
      for (let i = 0; i < quietTurns; i++) await turnOf(turn, 1);
      expect(turn.quiet).toBe(true);
      await turnOf(turn, 2);
      expect([turn.quiet, turn.handlesAtOnce()]).toEqual([false, false]);
      for (let i = 1; i < quietTurns; i++) await turnOf(turn, 1);
      expect(turn.quiet).toBe(false);
      await turnOf(turn, 1);
      expect(turn.quiet).toBe(true);
    });
  });
});
