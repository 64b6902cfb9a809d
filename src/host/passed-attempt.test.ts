import { describe, expect, it } from 'vitest';
import type { InvokeRequest } from '../contracts/app-channel.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall } from '../kernel/call.ts';
import type { HeaderList, Http2Stream } from '../wire/http2/http2.ts';
import { PassedAttempt } from './passed-attempt.ts';
import type { WatchedAttempt } from './passed-telemetry.ts';

/** An attempt, and in words what it told of itself and showed to the caller. */
function rig() {
  const told: string[] = [];
  const down = {
    queuedBytes: 0,
    sendHeaders: (headers: HeaderList, end = false) => void told.push(`headers ${headers.join(' ')}${end ? ' end' : ''}`),
    write: (data: Uint8Array) => told.push(`data ${Buffer.from(data).toString()}`) > 0,
    end: (trailers: HeaderList = []) => void told.push(`end ${trailers.join(' ')}`),
  } as unknown as Http2Stream;
  const watched = { received() {}, end: (code: string) => void told.push(`ended ${code}`), receivedBytes: 0 } as unknown as WatchedAttempt;
  const input: InvokeRequest = {
    appId: 'a',
    namespace: '',
    httpMethod: 'POST',
    path: 's/m',
    query: '',
    headers: [],
    body: emptyBody,
    replayable: false,
  };
  const call = createCall({ block: 'invoke', name: 'proxy', idempotent: false }, input);
  const owner = { closed: () => void told.push('closed'), answered: (code: string) => void told.push(`answered ${code}`) };
  return { attempt: new PassedAttempt({ down, call, watched, owner }), call, told };
}

const head = [':status', '200', 'content-type', 'application/grpc'];

describe('an answer that was there as a whole before it was decided that it is the one', () => {
  it('is shown with its message and its trailers', async () => {
    const { attempt, call, told } = rig();
    attempt.headers(head);
    attempt.data(Buffer.from('hello'));
    attempt.end(['grpc-status', '0']);
    attempt.close(0);
    expect((await attempt.begun).body).toBe(attempt);
    expect(told).toEqual(['closed']);
    attempt.show(call);
    expect(told.slice(1)).toEqual([`headers ${head.join(' ')}`, 'data hello', 'end grpc-status 0', 'closed', 'ended OK', 'answered OK']);
    expect(call.end.outcome).toEqual({ ok: true, status: 200 });
  });

  it('ends with its headers when it is only a status', async () => {
    const { attempt, call, told } = rig();
    const whole = [...head, 'grpc-status', '5'];
    attempt.headers(whole);
    attempt.end([]);
    attempt.close(0);
    expect((await attempt.begun).grpc).toEqual({ code: 5, message: '' });
    attempt.show(call);
    expect(told.slice(1)).toEqual([`headers ${whole.join(' ')} end`, 'closed', 'ended NOT_FOUND', 'answered NOT_FOUND']);
    expect(call.end.outcome).toEqual({ ok: true, status: 404 });
  });
});
