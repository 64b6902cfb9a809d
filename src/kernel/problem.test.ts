import { describe, expect, it } from 'vitest';
import { ProaError } from './errors.ts';
import { problemText, readProblem } from './problem.ts';

describe('problem documents', () => {
  it('carry an error to where it is an error again', () => {
    const sent = new ProaError('not-found', 'no such order', {
      hint: 'look again',
      details: { reason: 'ORDER_UNKNOWN', metadata: { id: '7' }, violations: [{ field: 'id', description: 'unknown' }] },
    });
    const text = problemText(sent, '0af7651916cd43dd8448eb211c80319c');
    expect(JSON.parse(text)).toMatchObject({
      title: 'It does not exist',
      status: 404,
      detail: 'no such order',
      code: 'not-found',
      instance: 'urn:trace:0af7651916cd43dd8448eb211c80319c',
    });
    const read = readProblem(text);
    expect(read).toMatchObject({ code: 'not-found', message: 'no such order', hint: 'look again', details: sent.details });
    expect(read?.cause).toEqual({ instance: 'urn:trace:0af7651916cd43dd8448eb211c80319c' });
  });

  it.each(['', '{', '[]', 'null', '{"status":404}', '{"code":"no.such-code"}', '{"code":7}', '{"code":"toString"}'])(
    'are not made of %s',
    (text) => {
      expect(readProblem(text)).toBeUndefined();
    },
  );

  it('keep of details only what has their shape', () => {
    const read = readProblem(
      '{"code":"internal","detail":5,"reason":1,"metadata":{"a":1},"violations":[{"field":1}],"hint":2,"instance":3}',
    );
    expect(read).toMatchObject({ code: 'internal', message: '' });
    expect(read?.details).toBeUndefined();
  });
});
