import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Commit, LogPage } from '../../contracts/engine.ts';
import { isProaError } from '../../kernel/errors.ts';
import { ByteReader, ByteWriter } from '../../wire/engine/byte-codec.ts';
import { readCommit, readCommitResult, readLogPage, readRangePage, writeCommit, writeCommitResult, writeLogPage } from './messages.ts';

const key = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const whole = fc.maxSafeNat();
const words = fc.string({ unit: 'grapheme', maxLength: 12 });
const attributes = fc.dictionary(
  words.filter((word) => word !== '__proto__'),
  words,
  { noNullPrototype: true },
);
const optional = { requiredKeys: ['data'] } as const;
const entry = fc.record({ key: words, dedupe: words, attributes, data }, { requiredKeys: [...optional.requiredKeys] });
const list = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { minLength: 1, maxLength: 5 });
const condition = fc.oneof(
  fc.record({ kind: fc.constant('version' as const), key, version: whole }),
  fc.record({ kind: fc.constant('exists' as const), key }),
  fc.record({ kind: fc.constant('head' as const), log: key, head: whole }),
  fc.record({ kind: fc.constant('lease' as const), name: key, epoch: whole }),
);
const commit: fc.Arbitrary<Commit> = fc.record(
  {
    id: words,
    if: list(condition),
    put: list(fc.record({ key, value: data, expiresAtMs: whole }, { requiredKeys: ['key', 'value'] })),
    delete: list(key),
    deleteRange: list(fc.record({ from: key, to: key })),
    append: list(fc.record({ log: key, entries: list(entry) })),
  },
  { requiredKeys: [] },
);

function written(write: (w: ByteWriter) => void): Buffer {
  const w = new ByteWriter(0, 1);
  write(w);
  return w.finish();
}

function reader(bytes: Buffer, to = bytes.length): ByteReader {
  return new ByteReader(bytes, 0, to);
}

describe('messages of the engine protocol', () => {
  it('gives every commit back as it was', () => {
    fc.assert(
      fc.property(commit, (given) => {
        const bytes = written((w) => writeCommit(w, given));
        const r = reader(bytes);
        expect(readCommit(r)).toEqual(given);
        r.done();
      }),
    );
  });

  it('refuses every commit that was cut short', () => {
    fc.assert(
      fc.property(commit, fc.nat(), (given, cut) => {
        const bytes = written((w) => writeCommit(w, given));
        const r = reader(bytes, cut % bytes.length);
        expect(() => readCommit(r)).toThrow(/ends too early|a list of/);
      }),
    );
  });

  it('never fails on foreign bytes but with malformed-request', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (foreign) => {
        for (const read of [readCommit, readCommitResult, readRangePage, readLogPage]) {
          try {
            read(reader(Buffer.from(foreign)));
          } catch (error) {
            expect(isProaError(error) && error.code).toBe('malformed-request');
          }
        }
      }),
    );
  });

  it('carries results and log pages', () => {
    const done = { status: 'done', versions: [1, 2 ** 53 - 1], sequences: [7] } as const;
    expect(readCommitResult(reader(written((w) => writeCommitResult(w, done))))).toEqual(done);
    const conflict = { status: 'conflict', failed: 3 } as const;
    expect(readCommitResult(reader(written((w) => writeCommitResult(w, conflict))))).toEqual(conflict);
    const page: LogPage = { first: 2, head: 9, entries: [{ sequence: 9, timeMs: 1, data: Buffer.from('x'), attributes: {} }] };
    expect(readLogPage(reader(written((w) => writeLogPage(w, page))))).toEqual(page);
  });
});
