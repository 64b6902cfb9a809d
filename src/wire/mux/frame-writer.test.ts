import { describe, expect, it } from 'vitest';
import type { Clock, Connection } from '../../kernel/ports.ts';
import { FieldsWriter } from './fields-writer.ts';
import { FrameWriter } from './frame-writer.ts';
import { Outbox } from './outbox.ts';
import { Slabs } from './slabs.ts';

/** A writer whose turns are taken by hand, and how many bytes each write had. */
function writerWith(inFlight: number, gatheredMax = Infinity) {
  const writes: number[] = [];
  let soon: (() => void)[] = [];
  const clock = { soon: (callback: () => void) => void soon.push(callback) } as unknown as Clock;
  const connection = { write: (bytes: Uint8Array) => writes.push(bytes.length) > 0 } as unknown as Connection;
  const link = { inFlight, gatheredMax, peer: { fieldsMax: 8, headBytesMax: 64 } as never, flushed() {} };
  const writer = new FrameWriter(link, { out: new Outbox(connection, new Slabs()), clock, fields: new FieldsWriter() });
  const turn = (): void => {
    const due = soon;
    soon = [];
    for (const callback of due) callback();
  };
  return { writer, writes, turn, idle: () => soon.length === 0 };
}

const frameBytes = 9 + 4;

describe('frames leave', () => {
  it('at once while few calls are in flight', () => {
    const { writer, writes, idle } = writerWith(2);
    writer.credit(1, 1);
    writer.credit(2, 1);
    expect(writes).toEqual([frameBytes, frameBytes]);
    expect(idle()).toBe(true);
  });

  it('together at the end of the turn while some are', () => {
    const { writer, writes, turn, idle } = writerWith(3);
    writer.credit(1, 1);
    writer.credit(2, 1);
    expect(writes).toEqual([]);
    turn();
    expect(writes).toEqual([2 * frameBytes]);
    expect(idle()).toBe(true);
  });

  it('after the first turn that brings none while many are', () => {
    const { writer, writes, turn, idle } = writerWith(32);
    writer.credit(1, 1);
    turn();
    writer.credit(2, 1);
    turn();
    expect(writes).toEqual([]);
    turn();
    expect(writes).toEqual([2 * frameBytes]);
    expect(idle()).toBe(true);
  });

  it('without waiting for the end of the turn when as many are gathered as may be', () => {
    const { writer, writes, turn, idle } = writerWith(32, 3);
    for (let i = 0; i < 7; i++) writer.credit(i, 1);
    expect(writes).toEqual([3 * frameBytes, 3 * frameBytes]);
    while (!idle()) turn();
    expect(writes).toEqual([3 * frameBytes, 3 * frameBytes, frameBytes]);
  });

  it('after a few turns, however many frames each brings', () => {
    const { writer, writes, turn } = writerWith(32);
    for (let i = 0; i < 4; i++) {
      writer.credit(i, 1);
      expect(writes).toEqual([]);
      turn();
    }
    expect(writes).toEqual([4 * frameBytes]);
    writer.credit(5, 1);
    expect(writes).toHaveLength(1);
    turn();
    turn();
    expect(writes).toEqual([4 * frameBytes, frameBytes]);
  });
});
