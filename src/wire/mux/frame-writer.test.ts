import { describe, expect, it } from 'vitest';
import type { Clock, Connection } from '../../kernel/ports.ts';
import { FieldsWriter } from './fields-writer.ts';
import { FrameWriter } from './frame-writer.ts';
import { Outbox } from './outbox.ts';
import { Slabs } from './slabs.ts';
import { frameHeaderBytes, frameType } from './frame.ts';

/** A writer whose turns are taken by hand, and how many bytes each write had. */
function writerWith({ inFlight = 32, gatheredMax = Infinity } = {}) {
  const writes: number[] = [];
  let soon: (() => void)[] = [];
  let arriving = false;
  let nowMs = 0;
  const clock = {
    soon: (callback: () => void) => void soon.push(callback),
    arriving: () => arriving,
    mono: () => nowMs,
    turn: () => nowMs,
  } as unknown as Clock;
  const connection = { write: (bytes: Uint8Array) => writes.push(bytes.length) > 0 } as unknown as Connection;
  const link = { inFlight, gatheredMax, peer: { fieldsMax: 8, headBytesMax: 64 } as never, flushed() {} };
  const writer = new FrameWriter(link, { out: new Outbox(connection, new Slabs()), clock, fields: new FieldsWriter() });
  /** One turn; `arrives`: something was read in it, and is handled behind what waited for its end. */
  const turn = (arrives = false, tookMs = 0): void => {
    const due = soon;
    soon = [];
    arriving = arrives;
    nowMs += tookMs;
    for (const callback of due) callback();
  };
  return { writer, writes, turn, link, idle: () => soon.length === 0 };
}

const frameBytes = 9 + 4;
const openHead = { fields: [], timeoutMs: undefined, bodyLength: undefined };
/** What runs now is over, and what it put behind itself. */
const written = (): Promise<void> => Promise.resolve();

describe('frames leave', () => {
  it('behind what is handled now while no other call is in flight, all of them in one write', async () => {
    const { writer, writes, idle } = writerWith({ inFlight: 1 });
    writer.credit(1, 1);
    writer.credit(2, 1);
    expect(writes).toEqual([]);
    await written();
    expect(writes).toEqual([2 * frameBytes]);
    expect(idle()).toBe(true);
    writer.credit(1, 1);
    await written();
    expect(writes).toEqual([2 * frameBytes, frameBytes]);
  });

  it('not alone at the beginning of many calls: what counts is what is in flight when all that was read is handled', async () => {
    const { writer, writes, link, turn } = writerWith({ inFlight: 1 });
    writer.credit(1, 1);
    link.inFlight = 2;
    writer.credit(2, 1);
    await written();
    expect(writes).toEqual([]);
    turn();
    expect(writes).toEqual([2 * frameBytes]);
  });

  it('together at the end of the turn while several calls are in flight', async () => {
    const { writer, writes, turn, idle } = writerWith({ inFlight: 2 });
    writer.credit(1, 1);
    writer.credit(2, 1);
    await written();
    expect(writes).toEqual([]);
    turn();
    expect(writes).toEqual([2 * frameBytes]);
    expect(idle()).toBe(true);
  });

  it('after the first turn in which nothing arrives', async () => {
    const { writer, writes, turn, idle } = writerWith();
    writer.credit(1, 1);
    await written();
    turn(true);
    writer.credit(2, 1);
    expect(writes).toEqual([]);
    turn();
    expect(writes).toEqual([2 * frameBytes]);
    expect(idle()).toBe(true);
  });

  it('without waiting for the end of the turn when as many are gathered as may be', async () => {
    const { writer, writes, turn, idle } = writerWith({ gatheredMax: 3 });
    for (let i = 0; i < 7; i++) writer.credit(i, 1);
    expect(writes).toEqual([3 * frameBytes, 3 * frameBytes]);
    await written();
    while (!idle()) turn();
    expect(writes).toEqual([3 * frameBytes, 3 * frameBytes, frameBytes]);
  });

  it('after a few turns, however much arrives in each', async () => {
    const { writer, writes, turn } = writerWith();
    for (let i = 0; i < 6; i++) {
      writer.credit(i, 1);
      await written();
      expect(writes).toEqual([]);
      turn(true);
    }
    expect(writes).toEqual([6 * frameBytes]);
    writer.credit(5, 1);
    await written();
    expect(writes).toHaveLength(1);
    turn();
    expect(writes).toEqual([6 * frameBytes, frameBytes]);
  });

  it('after the first turn that takes long, whatever arrives: no answer waits for what handlers of other calls do', async () => {
    const { writer, writes, turn } = writerWith();
    writer.credit(1, 1);
    await written();
    turn(true, 1);
    expect(writes).toEqual([]);
    turn(true, 1);
    expect(writes).toEqual([frameBytes]);
  });

  it('with the head that another call has left open', async () => {
    const { writer, writes, turn } = writerWith({ inFlight: 1 });
    writer.credit(1, 1);
    writer.head(2, openHead, writer.check(openHead));
    await written();
    expect(writes).toEqual([]);
    writer.sealHead();
    turn();
    expect(writes).toHaveLength(1);
  });
});

describe('a peer that answers inside our write', () => {
  /** Types and streams of the frames that were written, in order. */
  function framesOf(written: readonly Buffer[]): string[] {
    const bytes = Buffer.concat(written);
    const frames: string[] = [];
    for (let at = 0; at < bytes.length; at += frameHeaderBytes + bytes.readUIntBE(at, 3)) {
      frames.push(`${bytes[at + 3]}:${bytes.readUInt32BE(at + 5)}`);
    }
    return frames;
  }

  it('neither loses nor reorders frames of a body that is larger than a slab', async () => {
    const parts: Buffer[] = [];
    const due: (() => void)[] = [];
    const clock = { soon: (callback: () => void) => void due.push(callback), arriving: () => false, turn: () => 0 } as unknown as Clock;
    let answers = 0;
    const connection = {
      write(bytes: Uint8Array) {
        parts.push(Buffer.from(bytes));
        if (answers++ === 0) writer.credit(9, 1);
        return true;
      },
    } as unknown as Connection;
    const link = { inFlight: 5, gatheredMax: 1_000, peer: { fieldsMax: 8, headBytesMax: 64 } as never, flushed() {} };
    const writer = new FrameWriter(link, { out: new Outbox(connection, new Slabs()), clock, fields: new FieldsWriter() });
    const body = Buffer.alloc(200 * 1024, 'b');
    writer.data(1, body);
    writer.end(1, undefined);
    await written();
    for (let callback = due.shift(); callback !== undefined; callback = due.shift()) {
      callback();
      await written();
    }
    const frames = framesOf(parts);
    const data = `${frameType.data}:1`;
    expect(frames.filter((frame) => frame === data)).toHaveLength(8);
    expect(frames.filter((frame) => frame === `${frameType.credit}:9`)).toHaveLength(1);
    expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(body.length + frames.length * frameHeaderBytes + 4);
  });

  it('keeps what was gathered before in front of what the answer adds', () => {
    const written: Buffer[] = [];
    let answered = false;
    const connection = {
      write(bytes: Uint8Array) {
        written.push(Buffer.from(bytes));
        if (!answered) {
          answered = true;
          out.frame(0, { type: frameType.data, flags: 0, stream: 7 });
          out.flush();
        }
        return true;
      },
    } as unknown as Connection;
    const out = new Outbox(connection, new Slabs());
    for (let stream = 1; stream <= 5; stream++) out.frame(40 * 1024, { type: frameType.data, flags: 0, stream });
    expect([written.length, out.overflows]).toEqual([0, true]);
    out.flush();
    expect(framesOf(written).map((frame) => Number(frame.slice(2)))).toEqual([1, 2, 3, 4, 5, 7]);
    expect(out.overflows).toBe(false);
  });
});
