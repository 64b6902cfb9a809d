import { describe, expect, it } from 'vitest';
import type { InvokeRequest } from '../contracts/app-channel.ts';
import { noTracer } from '../contracts/tracer.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall } from '../kernel/call.ts';
import { createMetricsRegistry } from '../telemetry/metrics-registry.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import type { Http2Stream } from '../wire/http2/http2.ts';
import { PassedAttempt } from './passed-attempt.ts';
import { createPassedTelemetry } from './passed-telemetry.ts';

/** An attempt, and in words what it told of itself and showed to the caller. */
function rig() {
  const told: string[] = [];
  const down: Http2Stream = {
    remote: '',
    queuedBytes: 0,
    sendHeaders: (headers, end = false) => void told.push(`headers ${headers.join(' ')}${end ? ' end' : ''}`),
    write: (data) => told.push(`data ${Buffer.from(data).toString()}`) > 0,
    end: (trailers = []) => void told.push(`end ${trailers.join(' ')}`),
    reset: (code) => void told.push(`reset ${code}`),
    pause() {},
    resume() {},
  };
  const telemetry = createPassedTelemetry({ clock: createFakeClock(), tracer: noTracer, metrics: createMetricsRegistry({}) });
  const watched = telemetry.begin([':path', '/s/m'], 'a').attempt();
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
    expect(told.slice(1)).toEqual([`headers ${head.join(' ')}`, 'data hello', 'end grpc-status 0', 'closed', 'answered OK']);
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
    expect(told.slice(1)).toEqual([`headers ${whole.join(' ')} end`, 'closed', 'answered NOT_FOUND']);
    expect(call.end.outcome).toEqual({ ok: true, status: 404 });
  });
});
