import { MongoClientClosedError, MongoNetworkError, MongoNotConnectedError, MongoServerError } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { isDuplicateKey, isRefusal, messageOf, wasUnsent } from './mongo-error.ts';

const named = (name: string): Error => Object.assign(new Error('x'), { name });
const bulk = (more: object): Error => Object.assign(named('MongoBulkWriteError'), { writeErrors: [] }, more);

describe('an error of the client', () => {
  it.each([
    ['a client that was closed before', new MongoNotConnectedError('x'), true],
    ['a client that is closed meanwhile', new MongoClientClosedError(), false],
    ['a queue for connections', named('MongoWaitQueueTimeoutError'), true],
    ['a pool that was cleared before', named('MongoPoolClearedError'), true],
    ['a connection that was cleared in use', named('PoolClearedOnNetworkError'), false],
    ['a connection that broke', new MongoNetworkError('x'), false],
    ['a handshake', new MongoNetworkError('x', { beforeHandshake: true }), true],
    ['a bulk without a connection', bulk({ errorResponse: named('MongoServerSelectionError') }), true],
    [
      'a bulk that lost the connection on its way',
      bulk({ errorResponse: named('MongoServerSelectionError'), result: { matchedCount: 1 } }),
      false,
    ],
  ])('says whether anything was sent: %s', (_what, error, unsent) => {
    expect(wasUnsent(error)).toBe(unsent);
  });

  it.each([
    ['an answer', new MongoServerError({ code: 13, message: 'x' }), true],
    ['the end of a server', new MongoServerError({ code: 91, message: 'x' }), false],
    ['writes of a bulk', bulk({ writeErrors: [{ index: 0 }] }), true],
    ['a bulk', bulk({ code: 13, errorResponse: { ok: 0 } }), true],
    ['a bulk, at the end of a server', bulk({ code: 91, errorResponse: { ok: 0 } }), false],
    ['a bulk of a broken connection', bulk({ errorResponse: new MongoNetworkError('x') }), false],
    ['servers that did not acknowledge in time', bulk({ code: 64, errorResponse: { code: 64 } }), false],
    ['both', bulk({ writeErrors: [{ index: 0 }], result: { getWriteConcernError: () => ({}) } }), false],
  ])('says whether it is a refusal: %s', (_what, error, refusal) => {
    expect(isRefusal(error)).toBe(refusal);
  });

  it('tells a key that is there from a value that an index has twice', () => {
    const twice = (index: string): MongoServerError =>
      new MongoServerError({ code: 11_000, message: `E11000 duplicate key error collection: db.c${index} dup key: { x: "y" }` });
    expect([twice(' index: _id_'), twice(''), twice(' index: email_1')].map(isDuplicateKey)).toEqual([true, true, false]);
  });

  it('says why there is no server, and tells no password', () => {
    expect(messageOf(new MongoNetworkError('cannot use mongodb://u:p@ss@host/x'))).toBe('cannot use mongodb://***@host/x');
    const reason = { servers: new Map([['a', { error: new Error('connect ECONNREFUSED') }]]) };
    expect(messageOf(Object.assign(new Error('timed out'), { reason }))).toBe('timed out: connect ECONNREFUSED');
  });
});
