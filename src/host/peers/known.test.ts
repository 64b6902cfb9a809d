import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../kernel/body.ts';
import { valueOf } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { FieldsReader } from '../../wire/mux/fields-reader.ts';
import { FieldsWriter } from '../../wire/mux/fields-writer.ts';
import type { Incoming } from '../../wire/mux/stream.ts';
import { answerFields, callFields, readAnswer, readCallFields, readInvoke } from './call-fields.ts';
import { answerOf } from './known-answer.ts';
import { callOf, invocationOf } from './known-call.ts';

const caller = { appId: 'orders', namespace: 'prod' };
const shared = { kind: 'invoke', appId: 'billing', namespace: 'default', instance: '', caller, method: 'GET' } as const;

/** Both ends of a connection: what one writes arrives at the other as a message whose form is known from the ones before. */
function connection(): (fields: readonly string[]) => Incoming {
  const [writer, reader] = [new FieldsWriter(), new FieldsReader({ headBytesMax: 128 * 1024, fieldsMax: 520 })];
  return (fields) => {
    const bytes = Buffer.alloc(writer.measure({ fields }));
    writer.write(bytes, 0, { fields });
    const read = reader.read(bytes, { at: 0, end: bytes.length }, fields.length);
    if (typeof read === 'string') throw new Error(read);
    return { fields: read.fields, form: read.form, timeoutMs: undefined, body: emptyBody };
  };
}

const trace = (id: number): string => `00-${String(id).padStart(32, '1')}-00000000000000a1-00`;
const texts = fc.constantFrom('a', 'b', 'c');
const names = fc.constantFrom('x-one', 'x-two', 'tracestate', 'dapr-caller-app-id', 'dapr-callee-app-id', 'dapr-caller-namespace');
const headers = fc
  .tuple(fc.array(names, { maxLength: 6 }), fc.array(fc.array(texts, { minLength: 6, maxLength: 6 }), { minLength: 1, maxLength: 12 }))
  .map(([list, rounds]) => rounds.map((values) => list.flatMap((name, i) => [name, values[i] as string])));

describe('calls of a form that is known', () => {
  it('say what they would say if each was the first, whichever headers vary, stamps that the peer wrote among them', () => {
    fc.assert(
      fc.property(headers, fc.array(texts, { minLength: 12, maxLength: 12 }), (lists, paths) => {
        const arrive = connection();
        for (const [i, list] of lists.entries()) {
          const fields = callFields({ ...shared, path: i % 4 === 0 ? (paths[i] as string) : 'a', query: '' }, [
            'traceparent',
            trace(i),
            ...list,
          ]);
          const incoming = arrive(fields);
          const call = callOf(incoming);
          expect(call).toEqual(readCallFields(fields));
          const verified = i % 5 === 4 ? { appId: 'another', namespace: 'prod' } : { appId: 'verified', namespace: 'prod' };
          const { input, context } = invocationOf(incoming, call, verified);
          expect(input).toEqual(readInvoke(call, { fields, body: emptyBody, caller: verified }));
          const at = list.lastIndexOf('tracestate');
          expect(valueOf(context, traceKey)).toEqual({ traceparent: trace(i), tracestate: at < 0 ? '' : list[at + 1], baggage: '' });
        }
      }),
    );
  });

  it('carry no trace when theirs is none, also where the ones before had one', () => {
    const arrive = connection();
    for (const traceparent of [trace(1), trace(2), 'x'.repeat(55), trace(3)]) {
      const incoming = arrive(callFields({ ...shared, path: 'x', query: '' }, ['traceparent', traceparent]));
      const { context } = invocationOf(incoming, callOf(incoming), caller);
      expect(valueOf(context, traceKey).traceparent).toBe(traceparent.startsWith('x') ? '' : traceparent);
    }
  });

  it('have the same list of headers where nothing but their trace varies', () => {
    const arrive = connection();
    const lists = [1, 2, 3, 4].map((id) => {
      const fields = callFields({ ...shared, path: 'x', query: '' }, ['x-a', '1', 'traceparent', trace(id), 'tracestate', `a=${id}`]);
      const incoming = arrive(fields);
      const { input, context } = invocationOf(incoming, callOf(incoming), caller);
      expect(valueOf(context, traceKey)).toMatchObject({ traceparent: trace(id), tracestate: `a=${id}` });
      return input.headers;
    });
    expect(lists[0]).toEqual([
      ...['x-a', '1', 'dapr-caller-app-id', 'orders', 'dapr-caller-namespace', 'prod', 'dapr-callee-app-id', 'billing'],
    ]);
    expect(lists[3]).toBe(lists[2]);
  });

  it('are refused like the first where a name that varies is none', () => {
    const arrive = connection();
    for (const name of ['x-a', 'x-b', 'x b', 'x-c', 'X-D']) {
      const incoming = arrive(callFields({ ...shared, path: 'x', query: '' }, [name, '1']));
      const read = (): string => invocationOf(incoming, callOf(incoming), caller).input.headers[0] as string;
      if (/^[a-z-]+$/.test(name)) expect(read()).toBe(name);
      else expect(read).toThrow(ProaError);
    }
  });
});

describe('answers of a form that is known', () => {
  const body = emptyBody;

  it('say what they would say if each was the first; one that repeats has the same list of headers', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(200, 204, 404), texts, texts), { maxLength: 12 }), (answers) => {
        const arrive = connection();
        for (const [status, one, two] of answers) {
          const fields = answerFields({ status, headers: ['x-one', one, 'x-two', two], body });
          const incoming = arrive(fields);
          const answer = answerOf(incoming);
          expect(answer).toEqual(readAnswer(fields, body));
          const again = arrive(fields);
          const { headers } = answerOf(again);
          if (again.form?.varying.includes(0) === false) expect(answerOf(arrive(fields)).headers).toBe(headers);
        }
      }),
    );
  });

  it('of gRPC apps, failures and names that are none are read each for itself', () => {
    const arrive = connection();
    for (const message of ['one', 'two', 'six']) {
      const answer = { status: 200, headers: ['x-a', message], body, grpc: { code: 5, message } };
      expect(answerOf(arrive(answerFields(answer)))).toEqual(answer);
    }
    for (const text of ['one', 'two', 'six']) expect(() => answerOf(arrive(['!overloaded', text]))).toThrow(text);
    for (const name of ['x-a', 'x-b', 'x b']) {
      const read = (): unknown => answerOf(arrive(['200', name, '1', 'x-two', '2'])).headers;
      if (name.includes(' ')) expect(read).toThrow(/header name/);
      else expect(read()).toEqual([name, '1', 'x-two', '2']);
    }
  });
});
