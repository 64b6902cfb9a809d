import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FieldsReader } from './fields-reader.ts';
import { FieldsWriter, notLatin1 } from './fields-writer.ts';

const bounds = { headBytesMax: 128 * 1024, fieldsMax: 520 };

/** What the reference says (docs/reference/mux.md): the lengths, then the text. */
function plainly(fields: readonly string[]): Buffer {
  const lengths = fields.flatMap(({ length }) => (length < 255 ? [length] : [255, length >>> 16, (length >>> 8) & 255, length & 255]));
  return Buffer.concat([Buffer.from(lengths), Buffer.from(fields.join(''), 'latin1')]);
}

function written(writer: FieldsWriter, fields: readonly string[]): Buffer {
  const size = writer.measure({ fields });
  const to = Buffer.alloc(size + 2);
  expect(writer.write(to, 1, { fields })).toBe(1 + size);
  return to.subarray(1, 1 + size);
}

const text = fc
  .oneof(
    { weight: 6, arbitrary: fc.constantFrom('', 'a', 'bb', 'traceparent', 'ÿ', 'x'.repeat(254), 'y'.repeat(255)) },
    { weight: 1, arbitrary: fc.string({ maxLength: 600 }) },
  )
  .map((value) => Buffer.from(value).toString('latin1'));
const heads = fc.array(fc.array(text, { maxLength: 20 }), { maxLength: 12 });

/** A head, and what becomes of it when some fields change to others of the same length. */
const kin = fc.tuple(fc.array(text, { minLength: 1, maxLength: 20 }), fc.array(fc.array(fc.nat(19), { maxLength: 10 }), { maxLength: 12 }));

function changed(fields: readonly string[], indexes: readonly number[], round: number): string[] {
  const next = [...fields];
  for (const index of indexes) {
    const field = next[index];
    if (field !== undefined && field !== '') next[index] = String.fromCharCode(97 + round) + field.slice(1);
  }
  return next;
}

describe('fields of heads', () => {
  it('are written and read as if every head was the first', () => {
    fc.assert(
      fc.property(heads, (list) => {
        const [writer, reader] = [new FieldsWriter(), new FieldsReader(bounds)];
        for (const fields of list) {
          const bytes = written(writer, fields);
          expect(bytes).toEqual(plainly(fields));
          const read = reader.read(Buffer.concat([bytes, Buffer.from('body')]), { at: 0, end: bytes.length + 4 }, fields.length);
          expect(read).toMatchObject({ fields, end: bytes.length });
        }
      }),
    );
  });

  it('that change while the rest repeats are those of this head, and the lists of former heads stay as they were', () => {
    fc.assert(
      fc.property(kin, ([first, rounds]) => {
        const [writer, reader] = [new FieldsWriter(), new FieldsReader(bounds)];
        const kept: (readonly [readonly string[], readonly string[]])[] = [];
        for (const [round, indexes] of rounds.entries()) {
          const fields = changed(first, indexes, round);
          const bytes = written(writer, fields);
          expect(bytes).toEqual(plainly(fields));
          const read = reader.read(bytes, { at: 0, end: bytes.length }, fields.length);
          if (typeof read === 'string') throw new Error(read);
          kept.push([read.fields, fields]);
        }
        for (const [read, fields] of kept) expect(read).toEqual(fields);
      }),
    );
  });

  it('that repeat a head are the same list, and those of one form differ in the places that it names and in no other', () => {
    fc.assert(
      fc.property(kin, ([first, rounds]) => {
        const [writer, reader] = [new FieldsWriter(), new FieldsReader(bounds)];
        const forms = new Map<unknown, readonly string[]>();
        for (const [round, indexes] of rounds.entries()) {
          const fields = changed(first, indexes, round);
          const bytes = written(writer, fields);
          const read = reader.read(bytes, { at: 0, end: bytes.length }, fields.length);
          const again = reader.read(Buffer.from(bytes), { at: 0, end: bytes.length }, fields.length);
          if (typeof read === 'string' || typeof again === 'string') throw new Error('not read');
          if (read.form === undefined) continue;
          expect(again.fields).toBe(read.fields);
          expect(again.form).toBe(read.form);
          const { varying } = read.form;
          const fixed = fields.filter((_, i) => !varying.includes(i));
          expect(forms.get(read.form) ?? fixed).toEqual(fixed);
          forms.set(read.form, fixed);
        }
      }),
    );
  });

  it('of one form keep it while only what varied before varies again', () => {
    const [writer, reader] = [new FieldsWriter(), new FieldsReader(bounds)];
    const read = (fields: readonly string[]) => {
      const bytes = written(writer, fields);
      const found = reader.read(bytes, { at: 0, end: bytes.length }, fields.length);
      if (typeof found === 'string') throw new Error(found);
      return found;
    };
    read(['a', 'one', 'b']);
    const { form } = read(['a', 'two', 'b']);
    expect(form?.varying).toEqual([1]);
    expect(read(['a', 'six', 'b'])).toMatchObject({ fields: ['a', 'six', 'b'] });
    expect(read(['a', 'ten', 'b']).form).toBe(form);
    expect(read(['a', 'ten', 'c']).form?.varying).toEqual([1, 2]);
    expect(read(['a', 'x'.repeat(5000), 'c']).form).toBe(undefined);
  });

  it('of several forms that take turns keep theirs, and a form repeats with its second head', () => {
    const [writer, reader] = [new FieldsWriter(), new FieldsReader(bounds)];
    const read = (fields: readonly string[]) => {
      const bytes = written(writer, fields);
      const found = reader.read(bytes, { at: 0, end: bytes.length }, fields.length);
      if (typeof found === 'string') throw new Error(found);
      return found;
    };
    const paths = ['orders', 'orders/all', 'customers'];
    const forms = paths.map((path) => read(['GET', path, 'x-a', '1']).form);
    expect(forms.map((form) => form?.repeats)).toEqual([false, false, false]);
    for (let round = 0; round < 2; round++)
      for (const [i, path] of paths.entries()) expect(read(['GET', path, 'x-a', '1']).form).toBe(forms[i]);
    expect(forms.map((form) => form?.repeats)).toEqual([true, true, true]);
  });

  it('of a list that messages share are those of the list and the one behind it, whatever was written before', () => {
    const shared = fc.array(fc.array(text, { maxLength: 20 }), { minLength: 1, maxLength: 7 });
    const messages = fc.array(fc.tuple(fc.nat(6), fc.option(text, { nil: undefined })), { maxLength: 30 });
    fc.assert(
      fc.property(shared, messages, (lists, list) => {
        const writer = new FieldsWriter();
        for (const [i, last] of list) {
          const fields = lists[i % lists.length] as string[];
          const size = writer.measure({ fields, last });
          const all = last === undefined ? fields : [...fields, last];
          const to = Buffer.alloc(size + 2);
          expect(writer.write(to, 1, { fields, last })).toBe(1 + size);
          expect(to.subarray(1, 1 + size)).toEqual(plainly(all));
        }
      }),
    );
  });

  it('with a character beyond latin1 are found, also where the rest repeats', () => {
    const writer = new FieldsWriter();
    expect(writer.measure({ fields: ['a', '\u0100'] })).toBe(notLatin1);
    written(writer, ['a', 'b']);
    expect(writer.measure({ fields: ['a', '\u0100'] })).toBe(notLatin1);
    expect(written(writer, ['a', 'b'])).toEqual(plainly(['a', 'b']));
  });

  it('that were measured before others were written come out right', () => {
    const writer = new FieldsWriter();
    written(writer, ['a', 'b']);
    const size = writer.measure({ fields: ['a', 'c'] });
    written(writer, ['a', 'd']);
    const to = Buffer.alloc(size);
    writer.write(to, 0, { fields: ['a', 'c'] });
    expect(to).toEqual(plainly(['a', 'c']));
  });

  it('are refused when they are cut off or too many, whatever came before', () => {
    const [writer, reader] = [new FieldsWriter(), new FieldsReader({ headBytesMax: 20, fieldsMax: 3 })];
    const bytes = written(writer, ['one', 'two']);
    expect(reader.read(bytes, { at: 0, end: bytes.length }, 2)).toMatchObject({ fields: ['one', 'two'] });
    for (let end = 0; end < bytes.length; end++) expect(reader.read(bytes, { at: 0, end }, 2)).toBe('a head is cut off');
    expect(reader.read(bytes, { at: 0, end: bytes.length }, 4)).toBe('a head has 4 fields, more than 3');
    const long = plainly(['x'.repeat(40)]);
    expect(reader.read(long, { at: 0, end: long.length }, 1)).toBe('a head has more than 20 bytes');
  });
});
