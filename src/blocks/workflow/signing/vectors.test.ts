import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createRoot, signerOf } from '../../../../test/fixtures/signing-rig.ts';
import type { Result } from './attest.ts';
import { verifyAttestation } from './verify-attestation.ts';
import { type SignedEvents, verifyChain } from './verify-chain.ts';
import { verifyProofs } from './proof.ts';

// Made once by durabletask-go's own signer (backend/historysigning with dapr/kit's crypto/spiffe/signer), for certificates of a root and an intermediate authority that are
// valid on 2026-01-02 from 3:03:05 to 4:04:05; by the same program its verifier took what this code signs. All hex.
interface Vectors {
  readonly certificates: string;
  readonly chain: readonly string[];
  readonly chunk: string;
  readonly activity: readonly [payload: string, signature: string];
  readonly child: readonly [payload: string, signature: string];
}
const file = JSON.parse(readFileSync(new URL('../../../../test/fixtures/history-signatures.json', import.meta.url), 'utf8')) as {
  readonly root: string;
  readonly events: readonly string[];
} & Readonly<Record<string, Vectors>>;

const bytesOf = (hex: string): Buffer => Buffer.from(hex, 'hex');
const base64 = (hex: string): string => bytesOf(hex).toString('base64');
const pem = `-----BEGIN CERTIFICATE-----\n${base64(file.root)}\n-----END CERTIFICATE-----\n`;
const signing = signerOf(createRoot(), { appId: 'judge' });
signing.replace({ roots: pem });
const atMs = Date.UTC(2026, 0, 2, 3, 4, 6);
const app = { namespace: 'default', appId: 'app' };
const pause = (): Promise<void> => Promise.resolve();
const timeOf = (bytes: Uint8Array): number | undefined => signing.codec.eventOf(bytes)?.timeMs;
const flipped = (hex: string): string => hex.slice(0, -2) + (Number.parseInt(hex.slice(-2), 16) ^ 1).toString(16).padStart(2, '0');

describe.each(['ed25519', 'p256', 'p384', 'rsa'])('what durabletask-go signed (%s)', (name) => {
  const vectors = file[name] as Vectors;
  const events = file.events.map(bytesOf);
  const signed: SignedEvents = { events, signatures: vectors.chain.map(bytesOf), certificates: [bytesOf(vectors.certificates)] };

  it('is a chain that is verified, and none that was changed', async () => {
    const verify = (next: Partial<SignedEvents>, more = {}) =>
      verifyChain(signing, { ...signed, ...next }, { app, timeOf, pause, ...more });
    expect(await verify({})).toEqual({ events: 3, used: new Set([0]) });
    expect((await verify({ events: events.slice(0, 2) })).problem).toContain('it covers events up to 3 of 2');
    expect((await verify({ events: [...events].reverse() })).problem).toContain('are not those that were signed');
    expect((await verify({ signatures: signed.signatures.slice(1) })).problem).toContain('the first one follows another');
    expect((await verify({ signatures: vectors.chain.map(flipped).map(bytesOf) })).problem).toContain('signature 0');
    expect((await verify({}, { app: { ...app, appId: 'else' } })).problem).toContain('not of default/else');
    expect((await verify({}, { context: { instanceId: 'o', workflowName: 'order' } })).problem).toContain(
      'it was not made by its certificate',
    );
    expect((await verify({}, { timeOf: () => undefined })).problem).toContain('its last event has no time');
  });

  it('is a history that was handed on, of the instance and the workflow that it says and no other', async () => {
    const proof = { events: file.events.map(base64), signatures: [base64(vectors.chunk)], certificates: [base64(vectors.certificates)] };
    const chunk = { appId: 'app', instanceId: 'o', workflowName: 'order', events: [], proof };
    const verify = (next: Partial<typeof chunk>, namespace = 'default') =>
      verifyProofs(signing, { scope: 2, chunks: [{ ...chunk, ...next }] }, { namespace, pause });
    const proven = await verify({});
    expect('history' in proven && proven.history.chunks[0]?.events).toMatchObject([
      { type: 'workflowStarted', id: -1 },
      { type: 'executionStarted', name: 'order', input: '7', tags: { a: '1', b: '2' } },
      { type: 'taskScheduled', id: 0, name: 'charge', input: 'in', timeMs: Date.UTC(2026, 0, 2, 3, 4, 6) + 0.006 },
    ]);
    expect('certificates' in proven && proven.certificates).toEqual([bytesOf(vectors.certificates)]);
    for (const next of [{ instanceId: 'p' }, { workflowName: 'refund' }]) {
      expect(await verify(next)).toMatchObject({ problem: expect.stringContaining('it was not made by its certificate') });
    }
    expect(await verify({ appId: 'else' })).toMatchObject({ problem: expect.stringContaining('not of default/else') });
    expect(await verify({}, 'other')).toMatchObject({ problem: expect.stringContaining('not of other/app') });
    expect(await verify({ proof: { ...proof, events: [], signatures: [], certificates: [] } })).toMatchObject({
      problem: expect.stringContaining('it is not signed'),
    });
    expect(await verify({ proof: { ...proof, signatures: [] } })).toMatchObject({
      problem: expect.stringContaining('3 events are not signed'),
    });
  });

  it('is the word of whoever executed an activity or a child, for that operation, its input and its output only', () => {
    const attested = ([payload, signature]: readonly [string, string]) => ({
      attestation: { payload: base64(payload), signature: base64(signature) },
      signerCertificate: base64(vectors.certificates),
    });
    const activity: Result = {
      type: 'taskCompleted',
      id: -1,
      timeMs: atMs,
      scheduledId: 0,
      result: '\u00e9',
      ...attested(vectors.activity),
    };
    const failure = {
      errorType: 'T',
      errorMessage: '\u1e3f',
      stackTrace: 's',
      innerFailure: { errorType: 'I', errorMessage: 'n', isNonRetriable: true },
    };
    const child: Result = { type: 'childFailed', id: -1, timeMs: atMs, scheduledId: 2, failure, ...attested(vectors.child) };
    const begun = { type: 'taskScheduled', id: 0, timeMs: atMs - 1, name: 'charge', input: 'in' } as const;
    const created = { type: 'childCreated', id: 2, timeMs: atMs - 1, name: 'c', instanceId: 'c' } as const;
    const awaited = { parentInstanceId: 'o', app, nowMs: atMs + 1 };
    expect(verifyAttestation(signing, activity, { ...awaited, begun })).toEqual({ certificates: bytesOf(vectors.certificates) });
    expect(verifyAttestation(signing, child, { ...awaited, begun: created })).toEqual({ certificates: bytesOf(vectors.certificates) });
    const problems: [Result, Parameters<typeof verifyAttestation>[2], string][] = [
      [activity, { ...awaited, begun, parentInstanceId: 'p' }, 'for the workflow "o"'],
      [activity, { ...awaited, begun: { ...begun, id: 1 } }, 'for operation 0'],
      [activity, { ...awaited, begun: { ...begun, name: 'refund' } }, 'for the activity "charge"'],
      [activity, { ...awaited, begun: { ...begun, input: 'out' } }, 'for another input or output'],
      [{ ...activity, result: 'e' }, { ...awaited, begun }, 'for another input or output'],
      [child, { ...awaited, begun: { ...created, input: 'x' } }, 'for another input or output'],
      [{ ...child, failure: { ...failure, errorType: 'U' } }, { ...awaited, begun: created }, 'for another input or output'],
      [{ ...child, type: 'childCompleted' } as Result, { ...awaited, begun: created }, 'it ended otherwise'],
      [{ ...activity, type: 'taskFailed', failure } as Result, { ...awaited, begun }, 'it ended otherwise'],
      [{ ...activity, ...attested(vectors.child) }, { ...awaited, begun }, 'attestation'],
      [{ ...activity, attestation: undefined } as unknown as Result, { ...awaited, begun }, 'it is not attested'],
      [
        { ...activity, signerCertificate: undefined } as unknown as Result,
        { ...awaited, begun },
        'certificate of its attestation is missing',
      ],
      [{ ...activity, signerCertificate: base64(file.root) }, { ...awaited, begun }, 'another certificate than the one that came along'],
      [{ ...activity, attestation: { payload: base64('ff'), signature: '' } }, { ...awaited, begun }, 'cannot be read'],
      [activity, { ...awaited, begun, app: { ...app, appId: 'else' } }, 'not of default/else'],
      [{ ...activity, timeMs: atMs + 7_200_000 }, { ...awaited, begun, nowMs: atMs + 7_200_000 }, 'was not valid at'],
      [activity, { ...awaited, begun: { ...begun, timeMs: atMs + 3_600_000 } }, 'not between its begin and now'],
      [activity, { ...awaited, begun, nowMs: atMs - 3_600_000 }, 'not between its begin and now'],
    ];
    for (const [result, expected, problem] of problems) {
      const judged = verifyAttestation(signing, result, expected);
      expect('problem' in judged ? judged.problem : 'none').toContain(problem);
    }
    const [payload, signature] = vectors.activity;
    const forged = { ...activity, attestation: { payload: base64(payload), signature: base64(flipped(signature)) } };
    expect(verifyAttestation(signing, forged, { ...awaited, begun })).toEqual({
      problem: 'its attestation was not signed by its certificate',
    });
  });
});
