import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../../blocks/workflow/index.ts';
import { HistoryEventSchema } from '../../../gen/durabletask/taskhub_pb.ts';
import { historyCodec } from './history-codec.ts';

const base = { id: -1, timeMs: 1_700_000_000_000.5 };
const failure = {
  errorType: 'E',
  errorMessage: 'm',
  stackTrace: 's',
  innerFailure: { errorType: 'I', errorMessage: 'n', isNonRetriable: true },
};
const attested = { attestation: { payload: 'AQI=', signature: 'Aw==' }, signerCertificate: 'BA==' };
const trace = { traceParent: '00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01', traceState: 'x=y' };
const router = { sourceAppId: 'a', targetAppId: 'b', targetAppNamespace: 'c' };
const parent = { taskScheduledId: 3, instanceId: 'p', executionId: 'pe', name: 'pn', version: '1', appId: 'a', appNamespace: 'ns' };

const events: readonly HistoryEvent[] = [
  { ...base, type: 'workflowStarted' },
  { ...base, type: 'workflowStarted', version: { name: 'v', patches: ['p', 'q'] } },
  {
    ...base,
    type: 'executionStarted',
    name: 'n',
    version: '2',
    input: '',
    instance: { instanceId: 'i', executionId: 'e' },
    parent,
    scheduledStartMs: 5,
    trace,
    workflowSpanId: 'w',
    tags: { a: '1', b: '2' },
  },
  { ...base, type: 'executionStarted', name: 'n', instance: { instanceId: 'i' } },
  { ...base, type: 'executionCompleted', status: 'COMPLETED', result: 'r' },
  { ...base, type: 'executionCompleted', status: 'FAILED', failure },
  { ...base, type: 'executionTerminated', input: 'x', recurse: true },
  {
    ...base,
    id: 0,
    router,
    type: 'taskScheduled',
    name: 'n',
    version: '1',
    input: 'x',
    taskExecutionId: 't',
    trace,
    rerunParent: 'r',
    propagation: 2,
  },
  { ...base, type: 'taskCompleted', scheduledId: 0, result: 'x', taskExecutionId: 't', ...attested },
  { ...base, type: 'taskFailed', scheduledId: 0, failure, taskExecutionId: 't', ...attested },
  {
    ...base,
    id: 1,
    router,
    type: 'childCreated',
    instanceId: 'c',
    name: 'n',
    version: '1',
    input: 'x',
    trace,
    rerunParent: 'r',
    retryParent: 's',
    propagation: 0,
  },
  { ...base, type: 'childCompleted', scheduledId: 1, result: '', ...attested },
  { ...base, type: 'childFailed', scheduledId: 1, failure, ...attested },
  { ...base, id: 2, type: 'timerCreated', fireAtMs: 7, name: 't', rerunParent: 'r', origin: { kind: 'externalEvent', name: 'go' } },
  { ...base, type: 'timerFired', timerId: 2, fireAtMs: 7 },
  { ...base, id: 3, type: 'eventSent', instanceId: 'x', name: 'n', input: 'y' },
  { ...base, type: 'eventRaised', name: 'n', input: 'y' },
  { ...base, type: 'executionSuspended', reason: 'r' },
  { ...base, type: 'executionResumed' },
  { ...base, type: 'executionStalled', reason: 'payload-size', description: 'd' },
  { ...base, id: 4, type: 'detachedCreated', instanceId: 'd' },
];

describe('the messages that are signed', () => {
  it.each(events.map((event): [string, HistoryEvent] => [event.type, event]))('give back an event as it was (%s)', (_, event) => {
    expect(historyCodec.eventOf(historyCodec.event(event) as Uint8Array)).toEqual({ timeMs: event.timeMs, event });
  });

  it('have a time at least, of events of types that are not known here', () => {
    const wire = create(HistoryEventSchema, { timestamp: { seconds: 1n, nanos: 0 }, eventType: { case: 'workflowCompleted', value: {} } });
    expect(historyCodec.eventOf(toBinary(HistoryEventSchema, wire))).toEqual({ timeMs: 1000 });
    expect(historyCodec.eventOf(new Uint8Array(0))).toEqual({});
    expect(historyCodec.event({ ...base, type: 'recorded', name: 'own' })).toBeUndefined();
  });

  it('give back signatures and attestations', () => {
    const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
    const signature = {
      startEvent: 3,
      eventCount: 2 ** 40,
      previous: bytes('p'),
      eventsDigest: bytes('e'),
      certificate: 1,
      signature: bytes('s'),
    };
    expect(historyCodec.signatureOf(historyCodec.signature(signature))).toEqual(signature);
    const { previous: _none, ...first } = signature;
    expect(historyCodec.signatureOf(historyCodec.signature(first))).toEqual(first);
    const payload = {
      parentInstanceId: 'p',
      taskScheduledId: 3,
      ioDigest: bytes('i'),
      certificateDigest: bytes('c'),
      status: 'FAILED',
      canonicalVersion: 1,
    } as const;
    expect(historyCodec.attestationOf('child', historyCodec.attestation('child', payload))).toEqual(payload);
    const activity = { ...payload, activityName: 'a', status: 'COMPLETED' } as const;
    expect(historyCodec.attestationOf('activity', historyCodec.attestation('activity', activity))).toEqual(activity);
    expect(
      historyCodec.attestationOf('activity', historyCodec.attestation('activity', { ...activity, status: undefined }))?.status,
    ).toBeUndefined();
  });

  it('read any bytes without failing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        historyCodec.eventOf(bytes);
        historyCodec.signatureOf(bytes);
        historyCodec.attestationOf('child', bytes);
        historyCodec.attestationOf('activity', bytes);
      }),
    );
  });
});
