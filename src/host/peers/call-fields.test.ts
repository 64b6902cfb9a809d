import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesBody, emptyBody } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import { encodeMethodPath } from '../../kernel/method-path.ts';
import { noTrace } from '../../kernel/trace-context.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import {
  answerFields,
  callFields,
  failureFields,
  InvokeFields,
  readAnswer,
  readCallFields,
  readHeaders,
  readInvoke,
} from './call-fields.ts';

const caller = { appId: 'orders', namespace: 'prod' };
const input = {
  appId: 'billing',
  namespace: 'default',
  httpMethod: 'POST',
  path: 'pay/ü €/x',
  query: 'a=1',
  headers: ['x-mine', '1'],
  body: bytesBody(Buffer.from('{}')),
  replayable: true,
};

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const from = { caller, trace: noTrace };

/** All fields of an invocation as one list. */
function invokeFields(...asked: Parameters<InvokeFields['of']>): string[] {
  const { fields, last } = new InvokeFields().of(...asked);
  return last === undefined ? [...fields] : [...fields, last];
}

describe('the fields of a call', () => {
  it('say what an invocation says, and the receiver says who calls', () => {
    const fields = invokeFields(
      { ...input, headers: ['x-mine', '1', 'dapr-caller-app-id', 'forged', 'dapr-callee-app-id', 'forged'] },
      { caller, trace: { ...noTrace, traceparent, tracestate: 'a=1' } },
      { instance: 'i-1', kind: 'invoke', path: encodeMethodPath(input.path) },
    );
    expect(fields.slice(-4)).toEqual(['tracestate', 'a=1', 'traceparent', traceparent]);
    const call = readCallFields(fields);
    expect(call).toMatchObject({
      kind: 'invoke',
      appId: 'billing',
      namespace: 'default',
      instance: 'i-1',
      caller,
      method: 'POST',
      query: 'a=1',
    });
    const verified = { appId: 'verified', namespace: 'default' };
    const read = readInvoke(call, { fields, body: input.body, caller: verified });
    expect(read).toMatchObject({ path: 'pay/ü €/x', httpMethod: 'POST', query: 'a=1', replayable: true });
    expect(read.headers).toEqual([
      ...['x-mine', '1', 'dapr-caller-app-id', 'verified', 'dapr-caller-namespace', 'default', 'dapr-callee-app-id', 'billing'],
    ]);
  });

  it('are a piece of the head, and the path that is remembered of them is not', async () => {
    const read = (path: string, i: number): string => {
      const call = readCallFields(callFields({ ...input, kind: 'actor', instance: 'i-1', caller, method: 'PUT', path }, []));
      return readInvoke(call, { fields: callFields({ ...call, path: `x${i}` }, []), body: emptyBody, caller }).path;
    };
    // An actor's id is cut out of it; with their heads they would be 16 MB.
    const bytes = await keptBytes(() =>
      Array.from({ length: 1_000 }, (_, i) => read(cutOut(`actors/customer/number-of-a-customer-${i}/method/charge`), i).split('/')[2]),
    );
    expect(bytes).toBeLessThan(4_000_000);
  });

  it('are one list for invocations that differ in their trace alone', () => {
    const known = new InvokeFields();
    const traced = { caller, trace: { ...noTrace, traceparent } };
    const of = (asked: object = {}, to: object = {}, by: object = {}) =>
      known.of({ ...input, ...asked }, { ...traced, ...by }, { instance: 'i', kind: 'invoke', path: 'p', ...to });
    const first = of();
    expect([...first.fields, first.last].slice(-2)).toEqual(['traceparent', traceparent]);
    const trace = { ...noTrace, traceparent: traceparent.replace('1', '2') };
    expect(of({}, {}, { trace })).toEqual({ fields: first.fields, last: trace.traceparent });
    expect(of({}, {}, { trace }).fields).toBe(first.fields);
    const others = [
      of({ headers: [...input.headers] }),
      of({ appId: 'x' }),
      of({ namespace: 'x' }),
      of({ httpMethod: 'X' }),
      of({ query: 'x' }),
      of({}, { instance: 'x' }),
      of({}, { kind: 'actor' }),
      of({}, { path: 'x' }),
      of({}, {}, { caller: { ...caller, appId: 'x' } }),
      of({}, {}, { caller: { ...caller, namespace: 'x' } }),
    ];
    for (const { fields } of others) expect(fields).not.toBe(first.fields);
    for (const { fields } of others.slice(1)) expect(fields).not.toEqual(first.fields);
    expect(of({}, {}, { trace: noTrace })).toEqual({ fields: first.fields.slice(0, -1), last: undefined });
  });

  it('that no runtime of ours sends are refused', () => {
    const good = invokeFields(input, from, { instance: '', kind: 'invoke', path: encodeMethodPath(input.path) });
    for (const bad of [[], ['soap', ...good.slice(1)], good.slice(0, 8), [...good, 'odd']])
      expect(() => readCallFields(bad)).toThrow(/kind that this runtime does not know/);
    for (const name of ['', 'Dapr-Caller-App-Id', 'x y', 'x:y', 'ä', '::path', 'a\r\nb'])
      expect(() => readHeaders([...good, name, 'v'], { caller, appId: 'b' })).toThrow(/header name/);
    const climbing = readCallFields(callFields({ ...readCallFields(good), path: '%00' }, []));
    expect(() => readInvoke(climbing, { fields: good, body: emptyBody, caller })).toThrow(ProaError);
  });

  it('keep a path within its root however it is spelled', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[./%2eEfF5cC\\a]{0,24}$/), (path) => {
        const call = {
          ...readCallFields(invokeFields(input, from, { instance: '', kind: 'invoke', path: encodeMethodPath(input.path) })),
          path,
        };
        try {
          expect(
            readInvoke(call, {
              fields: invokeFields(input, from, { instance: '', kind: 'invoke', path: encodeMethodPath(input.path) }),
              body: emptyBody,
              caller,
            }).path.split('/'),
          ).not.toContain('..');
        } catch (error) {
          expect((error as ProaError).code).toBe('bad-request');
        }
      }),
    );
  });
});

describe('the fields of an answer', () => {
  it('come back, also what gRPC has beside HTTP', () => {
    const plain = { status: 201, headers: ['x-own', 'yes'], body: emptyBody };
    expect(readAnswer(answerFields(plain), emptyBody)).toEqual(plain);
    const grpc = { ...plain, status: 404, grpc: { code: 5, message: 'nicht da: ü', details: Buffer.from([1, 2]) }, trailers: ['x-t', '1'] };
    expect(readAnswer(answerFields(grpc), emptyBody)).toEqual(grpc);
  });

  it('carry a failure of the runtime as the error that it was', () => {
    const failed = (fields: readonly string[]): unknown => {
      try {
        return readAnswer(fields, emptyBody);
      } catch (error) {
        return error;
      }
    };
    expect(failed(failureFields(new ProaError('invoke.denied', 'nein, “nie”')))).toMatchObject({
      code: 'invoke.denied',
      message: 'nein, “nie”',
    });
    expect(failed(['!constructor', 'x'])).toMatchObject({ code: 'invoke.failed' });
    for (const fields of [[], ['99'], ['600'], ['abc'], ['200', 'odd'], ['200', 'Bad-Name', 'x'], ['200', ':grpc-code', '5', 'Bad', 'x']])
      expect(failed(fields)).toMatchObject({ code: 'peer.protocol' });
    expect((failed(failureFields(new ProaError('internal', 'x'.repeat(100_000)))) as Error).message.length).toBeLessThan(5_000);
  });
});

function read(fields: readonly string[]): ProaError {
  try {
    readAnswer(fields, emptyBody);
  } catch (error) {
    return ProaError.from(error);
  }
  throw new Error('that was an answer');
}

describe('a failure between runtimes', () => {
  it('keeps its code, its message, and when to come again', () => {
    const limited = read(failureFields(new ProaError('overloaded', 'größer', { details: { metadata: { retryAfterMs: '250' } } })));
    expect([limited.code, limited.message, limited.details?.metadata]).toEqual(['overloaded', 'größer', { retryAfterMs: '250' }]);
    expect(read(failureFields(new ProaError('invoke.denied', 'no'))).details).toBeUndefined();
  });

  it('says whether the app was asked: whoever called, it was the runtime of the called app that refused', () => {
    expect(read(failureFields(new ProaError('invoke.failed', 'broken'))).refusedAt).toBeUndefined();
    for (const refusedAt of ['caller', 'callee'] as const)
      expect(read(failureFields(new ProaError('invoke.denied', 'no', { refusedAt })))).toMatchObject({ refusedAt: 'callee' });
    const shed = new ProaError('shed', 'no', { details: { metadata: { retryAfterMs: '7' } }, refusedAt: 'callee' });
    expect(read(failureFields(shed))).toMatchObject({ code: 'shed', refusedAt: 'callee', details: { metadata: { retryAfterMs: '7' } } });
  });

  it('is not trusted to be in order', () => {
    expect(read(['!no-such-code', 'x', 'soon'])).toMatchObject({ code: 'invoke.failed', message: 'x', details: undefined });
  });
});
