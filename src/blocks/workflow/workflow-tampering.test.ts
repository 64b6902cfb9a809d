import { describe, expect, it } from 'vitest';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import {
  hourMs,
  namespace,
  open,
  root,
  script,
  store,
  type Stored,
  said,
  stored,
  waiting,
} from '../../../test/fixtures/signed-workflows.ts';
import { createRoot, issue, signerOf, type TestSigner } from '../../../test/fixtures/signing-rig.ts';
import { complete, type Script } from '../../../test/fixtures/workflow-rig.ts';
import { historyTampered } from '../../contracts/history-signing.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { workflowKeys } from './keys.ts';
import { emptyChain, extendChain } from './signing/chain.ts';
import { eventsDigest, signatureMessage } from './signing/digests.ts';
import { markLine, markOf } from './signing/marks.ts';

describe('a history that somebody changed', () => {
  const attacker = signerOf(createRoot('attacker'), { appId: 'app' });
  const other = signerOf(root, { appId: 'other' });
  const own = signerOf(root, { appId: 'app' });
  const expired = signerOf(root, { appId: 'app', fromMs: Date.now() - 2 * hourMs, toMs: Date.now() - hourMs });
  const eventsOf = ({ tail }: Stored): string[] => tail.filter((line) => markOf(line) === undefined);
  const replaced = (from: string, to: string) => (record: Stored) => void (record.tail = record.tail.map((line) => line.replace(from, to)));
  /** Signs everything anew. A certificate that is not valid is used all the same. */
  const forged = (by: TestSigner) => (record: Stored) => {
    const events = eventsOf(record);
    const identity = by.signer.current();
    const lying = { ...by, signer: { ...by.signer, current: () => ({ ...identity, validFromMs: 0, validToMs: Infinity }) } };
    const { lines } = extendChain(lying as TestSigner, emptyChain, {
      events: events.map((line) => Buffer.from(line)),
      lastMs: Date.now(),
      foreign: [],
    });
    record.tail = [...events, ...lines];
  };
  /** Signs with the right key what no runtime would sign. */
  const crafted = (message: Partial<Parameters<TestSigner['codec']['signature']>[0]>) => (record: Stored) => {
    const events = eventsOf(record);
    const identity = own.signer.current();
    const digest = eventsDigest(events.map((line) => Buffer.from(line)));
    const signed = own.codec.signature({
      startEvent: 0,
      eventCount: events.length,
      eventsDigest: digest,
      certificate: 0,
      signature: identity.sign(signatureMessage(undefined, digest)),
      ...message,
    });
    record.tail = [
      ...events,
      markLine({ kind: 'certificate', bytes: identity.certificates }),
      markLine({ kind: 'signature', bytes: Buffer.from(signed) }),
    ];
  };
  const last = (record: Stored, kind: string): number => record.tail.findLastIndex((line) => (markOf(line)?.kind ?? line).includes(kind));

  it.each<[string, (record: Stored) => void, string]>([
    ['another result', replaced('"result":"reserved"', '"result":"rezerved"'), 'events from 3 to 4 are not those that were signed'],
    ['an event dropped', (record) => void record.tail.splice(last(record, 'taskCompleted'), 1), 'it covers events up to 5 of 4'],
    [
      'an event dropped, and counted out',
      (record) => {
        record.tail.splice(last(record, 'taskCompleted'), 1);
        record.header = { ...record.header, events: 4 };
      },
      'it covers events up to 5 of 4',
    ],
    [
      'events in another order',
      (record) => {
        const [a = '', b = '', ...rest] = record.tail;
        record.tail = [b, a, ...rest];
      },
      'events from 0 to 2 are not those that were signed',
    ],
    ['a signature dropped', (record) => void record.tail.splice(last(record, 'signature'), 1), 'the signatures cover 3 of 5 events'],
    ['the first signature dropped', (record) => void record.tail.splice(4, 1), 'the first one follows another'],
    ['all signatures dropped', (record) => void (record.tail = eventsOf(record)), '5 events are not signed'],
    ['its certificate dropped', (record) => void record.tail.splice(3, 1), 'there is no certificate 0'],
    ['the last turn cut off', (record) => void (record.tail = record.tail.slice(0, 5)), 'the history has 3 events, not 5'],
    ['everything signed by another app', forged(other), 'the certificate is of default/other, not of default/app'],
    ['everything signed by an unknown authority', forged(attacker), 'was not issued by an authority'],
    ['everything signed by an expired certificate', forged(expired), 'was not valid at'],
    ['a signature over nothing', crafted({ eventCount: 0 }), 'it covers no event'],
    ['a signature that begins elsewhere', crafted({ startEvent: 2 ** 40 }), `it begins at event ${2 ** 40} instead of 0`],
    ['a signature over more than there is', crafted({ eventCount: 2 ** 52 }), 'it covers events up to'],
    ['a certificate that is not there', crafted({ certificate: 2 ** 31 }), `there is no certificate ${2 ** 31}`],
    [
      'a signature of something else',
      crafted({ signature: own.signer.current().sign(Buffer.from('else')) }),
      'it was not made by its certificate',
    ],
    ['a signature of no form', crafted({ signature: Buffer.alloc(64) }), 'it was not made by its certificate'],
    [
      'a message that is none',
      (record) => void record.tail.splice(4, 1, markLine({ kind: 'signature', bytes: Buffer.from('ffff', 'hex') })),
      'signature 0 cannot be read',
    ],
    [
      'a certificate that is none',
      (record) => void record.tail.splice(3, 1, markLine({ kind: 'certificate', bytes: Buffer.from('none') })),
      'it was not made by its certificate',
    ],
    ['a line that is no event', (record) => void record.tail.splice(0, 1, '{'), 'not readable'],
    [
      'a payload of a million parts',
      (record) => void record.tail.splice(0, 1, '{"blob":"x","scope":"y","parts":1000000000}'),
      'too many parts',
    ],
    [
      'another operation open',
      (record) => void (record.header = { ...record.header, open: { 1: { kind: 'task' } } }),
      'other operations that are open',
    ],
    ['other ids used', (record) => void (record.header = { ...record.header, ids: [] }), 'uses other ids'],
    ['another name', (record) => void (record.header = { ...record.header, name: 'chain' }), 'that of the workflow "order"'],
    ['another execution', (record) => void (record.header = { ...record.header, execution: 'x' }), 'another execution'],
    [
      'a parent',
      (record) => {
        const parent = { instanceId: 'victim', name: 'v', taskScheduledId: 1, appId: 'app' };
        record.header = { ...record.header, parent };
      },
      'names another parent',
    ],
    ['a piece that is missing', (record) => void (record.header = { ...record.header, chunks: 1 }), 'pieces of its history are missing'],
  ])('ends with %s', async (_, change, problem) => {
    const { engine, signing } = await waiting();
    const before = await stored(engine, 'o');
    change(before);
    await store(engine, 'o', before);
    const { block } = open(engine, signing);
    await block.raise('o', 'paid', '7');
    const ended = await block.wait('o', 'completed', neverCancelled);
    expect(ended).toMatchObject({ status: 'FAILED', failure: { errorType: historyTampered } });
    expect(ended.failure?.errorMessage).toContain(problem);
    // The evidence is there, and nothing pretends that it was proven.
    const after = await stored(engine, 'o');
    expect(after.tail.slice(0, -1)).toEqual(before.tail);
    expect(await said(block, 'o')).toMatchObject({ verified: false, problem: expect.stringContaining(problem) });
    await expect(block.rerun('o', 1, {})).rejects.toMatchObject({ code: expect.stringMatching(/history-unproven|bad-request/) });
  });

  it('ends under another id', async () => {
    const { engine, signing } = await waiting();
    const record = await stored(engine, 'o');
    await store(engine, 'p', record);
    const { block } = open(engine, signing);
    await block.raise('p', 'paid', '7');
    expect(await block.wait('p', 'completed', neverCancelled)).toMatchObject({ failure: { errorMessage: 'the history is that of "o"' } });
  });

  it('sends nothing that waited in its outbox', async () => {
    const { engine, signing } = await waiting();
    const record = await stored(engine, 'o');
    const event = { type: 'eventRaised', id: -1, timeMs: Date.now(), name: 'paid', input: 'stolen' };
    const effects = { letters: [{ to: { namespace, appId: 'app', instanceId: 'victim' }, event }], timers: [] };
    const key = workflowKeys({ namespace, appId: 'app' }).blob({ id: 'o', scope: 'outbox' }, 'b', 0);
    await engine.commit({ put: [{ key, value: Buffer.from(JSON.stringify(effects)) }] });
    const header = { ...record.header, events: 4, outbox: { blob: 'b', parts: 1, done: 0 } };
    await store(engine, 'o', { ...record, header });
    const { block } = open(engine, signing);
    await block.start({ name: 'order', instanceId: 'victim' });
    await block.raise('o', 'paid', '7');
    expect(await block.wait('o', 'completed', neverCancelled)).toMatchObject({ status: 'FAILED' });
    await expect.poll(async () => (await block.history('victim')).some(({ type }) => type === 'taskCompleted')).toBe(true);
    await block.raise('victim', 'paid', 'own');
    expect(await block.wait('victim', 'completed', neverCancelled)).toMatchObject({ output: 'own' });
  });

  it('is not taken for changed when the root of its time has retired, and is when nobody trusts that any more', async () => {
    const next = createRoot('next');
    for (const { pastRoots, status } of [
      { pastRoots: root.pem, status: 'COMPLETED' },
      { pastRoots: '', status: 'FAILED' },
    ]) {
      const { engine, signing } = await waiting();
      signing?.replace({ ...issue(next, { appId: 'app' }), roots: next.pem, pastRoots });
      const { block } = open(engine, signing);
      await block.raise('o', 'paid', '7');
      expect(await block.wait('o', 'completed', neverCancelled)).toMatchObject({ status });
    }
  });

  it('tells the parent when it is proven who that is', async () => {
    const engine = freshEngine();
    const signing = signerOf(root, { appId: 'app' });
    const family: Script = {
      workflows: {
        parent: ({ all }) => {
          const failed = all.find((event) => event.type === 'childFailed');
          if (failed?.type === 'childFailed') return [complete(2, failed.failure.errorType)];
          return all.some(({ type }) => type === 'childCreated') ? [] : [{ id: 1, type: 'createChild', name: 'child', instanceId: 'o' }];
        },
        child: script.workflows?.['order'] as never,
      },
      activities: script.activities as never,
    };
    const first = open(engine, signing, 'app', family);
    await first.block.start({ name: 'parent', instanceId: 'p' });
    await expect
      .poll(async () => (await stored(engine, 'o').catch(() => undefined))?.tail.some((line) => line.includes('taskCompleted')))
      .toBe(true);
    await first.close();
    const record = await stored(engine, 'o');
    await store(engine, 'o', { ...record, tail: record.tail.map((line) => line.replace('"result":"reserved"', '"result":"rezerved"')) });
    const { block } = open(engine, signing, 'app', family);
    await block.raise('o', 'paid', '7');
    expect(await block.wait('p', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: historyTampered });
  });
});
