import { describe, expect, it } from 'vitest';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import { createRoot, issue, signerOf, type TestSigner } from '../../../test/fixtures/signing-rig.ts';
import { chain, complete, type Script, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import type { Engine } from '../../contracts/engine.ts';
import { historyTampered } from '../../contracts/history-signing.ts';
import type { PropagatedHistory } from '../../contracts/workflow.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import type { Header } from './header.ts';
import { workflowKeys } from './keys.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { emptyChain, extendChain } from './signing/chain.ts';
import { eventsDigest, signatureMessage } from './signing/digests.ts';
import { markLine, markOf } from './signing/marks.ts';

const namespace = 'default';
const root = createRoot();
const hourMs = 3_600_000;
const keysOf = (appId: string) => workflowKeys({ namespace, appId });

const script: Script = {
  workflows: {
    order: ({ all, results }) => {
      const paid = all.find(({ type }) => type === 'eventRaised');
      if (paid?.type === 'eventRaised') return [complete(3, paid.input)];
      return results.length > 0 ? [] : [{ id: 1, type: 'scheduleTask', name: 'reserve', input: 'pear' }];
    },
    chain: chain('add', 5),
  },
  activities: { reserve: () => 'reserved', add: ({ input }) => String(Number(input) + 1) },
};

function open(engine: Engine, signing: TestSigner | undefined, appId = 'app', scripted = script): WorkflowRuntime {
  const runtime = openedWorkflows({ engine, appId, namespace, ttlMs: 300, deps: signing === undefined ? {} : { signing } });
  runtime.block.attach(scriptedWorker(scripted));
  return runtime;
}

interface Stored {
  header: Header;
  tail: string[];
}

async function stored(engine: Engine, id: string): Promise<Stored> {
  const entry = await engine.get(keysOf('app').record(id));
  if (entry === undefined) throw new Error('no record');
  const { header, tail } = decodeRecord(entry);
  return { header, tail: [...tail] };
}

async function store(engine: Engine, id: string, { header, tail }: Stored): Promise<void> {
  await engine.commit({ put: [{ key: keysOf('app').record(id), value: encodeRecord(header, tail) }] });
}

/** A workflow that waits for its payment, its activity done, in no runtime's memory. */
async function waiting({ signing }: { readonly signing: TestSigner | undefined } = { signing: signerOf(root, { appId: 'app' }) }) {
  const engine = freshEngine();
  const first = open(engine, signing);
  await first.block.start({ name: 'order', instanceId: 'o' });
  await expect.poll(async () => (await stored(engine, 'o')).tail.some((line) => line.includes('taskCompleted'))).toBe(true);
  await first.close();
  return { engine, signing };
}

const kinds = ({ tail }: Stored): string[] => tail.map((line) => markOf(line)?.kind ?? (JSON.parse(line) as { type: string }).type);

describe('signed histories', () => {
  it('are stored with their signatures and certificates, verified when they are loaded, and go on', async () => {
    const { engine, signing } = await waiting();
    expect(kinds(await stored(engine, 'o'))).toEqual([
      'workflowStarted',
      'executionStarted',
      'taskScheduled',
      'certificate',
      'signature',
      'workflowStarted',
      'taskCompleted',
      'foreign',
      'signature',
    ]);
    const { block } = open(engine, signing);
    await block.raise('o', 'paid', '7');
    expect(await block.wait('o', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: '7' });
    expect(await block.signatures('o')).toEqual({ signatures: 3, signedBy: ['default/app'], verified: true });
    expect((await block.history('o')).map(({ type }) => type)).not.toContain(undefined);
    const completed = (await block.history('o')).find((event) => event.type === 'taskCompleted');
    expect(completed).toMatchObject({ attestation: { payload: expect.any(String), signature: expect.any(String) } });
    expect(completed).not.toHaveProperty('signerCertificate');
  });

  it('leave nothing in records when they are off', async () => {
    const { engine } = await waiting({ signing: undefined });
    const { header, tail } = await stored(engine, 'o');
    expect(header).not.toHaveProperty('signed');
    expect(tail.join('\n')).not.toMatch(/signature|attestation|ertificate/);
    expect(tail).toHaveLength(5);
  });

  it('take a renewed certificate into their table, once', async () => {
    const { engine, signing } = await waiting();
    signing?.replace(issue(root, { appId: 'app' }));
    const { block } = open(engine, signing);
    await block.raise('o', 'paid', '7');
    await block.wait('o', 'completed', neverCancelled);
    expect(kinds(await stored(engine, 'o')).filter((kind) => kind === 'certificate')).toHaveLength(2);
    expect(await block.signatures('o')).toMatchObject({ verified: true, signatures: 3 });
  });

  it('keep long histories and large payloads', async () => {
    const engine = freshEngine();
    const signing = signerOf(root, { appId: 'app' });
    const long: Script = {
      workflows: {
        long: ({ all, input }) =>
          all.some(({ type }) => type === 'eventRaised')
            ? [complete(99, input)]
            : chain(
                'same',
                40,
              )({ results: all.filter(({ type }) => type === 'taskCompleted'), input } as never).filter(({ type }) => type !== 'complete'),
      },
      activities: { same: ({ input }) => input },
    };
    const first = open(engine, signing, 'app', long);
    await first.block.start({ name: 'long', instanceId: 'l', input: 'ü'.repeat(20_000) });
    await expect.poll(async () => (await stored(engine, 'l')).header.events, { timeout: 60_000 }).toBeGreaterThan(120);
    await first.close();
    const { block } = open(engine, signing, 'app', long);
    await block.raise('l', 'end', undefined);
    expect(await block.wait('l', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED' });
    expect(await block.signatures('l')).toMatchObject({ verified: true });
  });

  it('begin a chain anew with each execution', async () => {
    const engine = freshEngine();
    const rounds: Script = {
      workflows: {
        rounds: ({ input }) =>
          input === '3'
            ? [complete(1, 'done')]
            : [{ id: 1, type: 'complete', status: 'CONTINUED_AS_NEW', result: String(Number(input) + 1) }],
      },
    };
    const { block } = open(engine, signerOf(root, { appId: 'app' }), 'app', rounds);
    const id = await block.start({ name: 'rounds', input: '0' });
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: 'done' });
    expect(await block.signatures(id)).toEqual({ signatures: 1, signedBy: ['default/app'], verified: true });
  });

  it('are copied by a rerun only when they can be proven, into a chain of its own', async () => {
    const engine = freshEngine();
    const signing = signerOf(root, { appId: 'app' });
    const { block } = open(engine, signing);
    await block.start({ name: 'chain', instanceId: 'c', input: '0' });
    await block.wait('c', 'completed', neverCancelled);
    const again = await block.rerun('c', 3, { input: { value: '40' } });
    expect(await block.wait(again, 'completed', neverCancelled)).toMatchObject({ output: '43' });
    expect(await block.signatures(again)).toMatchObject({ verified: true, signedBy: ['default/app'] });
    const record = await stored(engine, 'c');
    await store(engine, 'c', { ...record, tail: record.tail.map((line) => line.replace('"result":"5"', '"result":"6"')) });
    await expect(block.rerun('c', 3, {})).rejects.toMatchObject({ code: 'workflow.history-unproven' });
    expect(await block.signatures('c')).toMatchObject({
      verified: false,
      problem: expect.stringContaining('are not those that were signed'),
    });
    const other = open(engine, signerOf(root, { appId: 'other' }), 'other');
    await expect(other.block.of('app', namespace).rerun(again, 3, {})).rejects.toMatchObject({ code: 'workflow.history-unproven' });
  });

  it('wait while the certificate is not valid, for nobody would believe what it signs', async () => {
    const engine = freshEngine();
    const signing = signerOf(root, { appId: 'app', fromMs: Date.now() - 2 * hourMs, toMs: Date.now() - hourMs });
    const { block } = open(engine, signing);
    await block.start({ name: 'chain', instanceId: 'c', input: '0' });
    await expect.poll(async () => (await stored(engine, 'c')).header.status).toBe('PENDING');
    signing.replace(issue(root, { appId: 'app' }));
    expect(await block.wait('c', 'completed', neverCancelled)).toMatchObject({ output: '5' });
  });
});

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
    expect(await block.signatures('o')).toMatchObject({ verified: false, problem: expect.stringContaining(problem) });
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

describe('signed and unsigned histories', () => {
  it('do not mix: whoever began without signatures is held where they are asked for, and goes on where they are not', async () => {
    const { engine } = await waiting({ signing: undefined });
    const signing = signerOf(root, { appId: 'app' });
    const second = open(engine, signing);
    await second.block.raise('o', 'paid', '7');
    await expect.poll(async () => (await second.block.get('o', true))?.stall?.reason).toBe('signing');
    await expect(second.block.terminate('o', undefined, false)).rejects.toMatchObject({ code: 'workflow.stalled' });
    await expect(second.block.raise('o', 'paid', '8')).rejects.toMatchObject({ code: 'workflow.stalled' });
    await second.block.resume('o', undefined);
    await expect.poll(async () => (await second.block.get('o', true))?.stall?.reason).toBe('signing');
    await second.close();
    const third = open(engine, undefined);
    expect(await third.block.wait('o', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: '7' });
    expect(await third.block.signatures('o')).toBeUndefined();
    await third.close();
    const fourth = open(engine, signing);
    await expect(fourth.block.rerun('o', 1, {})).rejects.toMatchObject({ code: 'workflow.history-unproven' });
  });

  it('do not mix the other way either', async () => {
    const { engine, signing } = await waiting();
    const second = open(engine, undefined);
    await second.block.raise('o', 'paid', '7');
    await expect.poll(async () => (await second.block.get('o', true))?.stall?.description).toContain('signing is off in this runtime');
    expect(await second.block.signatures('o')).toEqual({ signatures: 2, signedBy: [] });
    await second.close();
    const third = open(engine, signing);
    expect(await third.block.wait('o', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: '7' });
    expect(await third.block.signatures('o')).toMatchObject({ verified: true });
  });
});

describe('results of others', () => {
  const asks: Script = {
    workflows: {
      asks: ({ results, all }) => {
        const done = results[0] ?? all.find(({ type }) => type === 'childCompleted' || type === 'childFailed');
        if (done?.type === 'taskCompleted' || done?.type === 'childCompleted') return [complete(3, done.result)];
        if (done?.type === 'taskFailed' || done?.type === 'childFailed') return [complete(3, done.failure.errorType)];
        const begun = all.some(({ type }) => type === 'taskScheduled' || type === 'childCreated');
        const started = all.find((event) => event.type === 'executionStarted');
        const router = { targetAppId: 'other' };
        if (begun || started?.type !== 'executionStarted') return [];
        if (started.input === 'child') return [{ id: 1, type: 'createChild', name: 'child', input: 'in', router, propagation: 2 }];
        return [{ id: 1, type: 'scheduleTask', name: 'charge', input: 'e\u0301', router, propagation: 2 }];
      },
    },
  };
  const seen: (PropagatedHistory | undefined)[] = [];
  const does: Script = {
    workflows: {
      // Continues as new once: its parent knows the first input only.
      child: ({ input, all }) => {
        const started = all.find((event) => event.type === 'executionStarted');
        if (started?.type === 'executionStarted') seen.push(started.propagated);
        return input === 'in' ? [{ id: 1, type: 'complete', status: 'CONTINUED_AS_NEW', result: 'next' }] : [complete(1, 'child did')];
      },
    },
    activities: {
      charge: ({ propagated }) => {
        seen.push(propagated);
        return 'charged';
      },
    },
  };

  const ask = async (what: string, parent: TestSigner | undefined, executor: TestSigner | undefined) => {
    const engine = freshEngine();
    open(engine, executor, 'other', does);
    const { block } = open(engine, parent, 'app', asks);
    const id = await block.start({ name: 'asks', input: what });
    const state = await block.wait(id, 'completed', neverCancelled);
    return { state, signatures: await block.signatures(id), engine, id };
  };

  it.each(['activity', 'child'])('are attested (%s), with the histories that were handed on proven', async (what) => {
    seen.length = 0;
    const { state, signatures, engine, id } = await ask(what, signerOf(root, { appId: 'app' }), signerOf(root, { appId: 'other' }));
    expect(state).toMatchObject({ status: 'COMPLETED', output: what === 'child' ? 'child did' : 'charged' });
    expect(signatures).toMatchObject({ verified: true });
    expect(kinds(await stored(engine, id)).filter((kind) => kind === 'foreign')).toHaveLength(1);
    const [first] = seen;
    expect(first?.chunks).toMatchObject([
      { appId: 'app', proof: { signatures: [expect.any(String)], certificates: [expect.any(String)] } },
    ]);
    expect(first?.chunks[0]?.events.map(({ type }) => type)).toEqual([
      'workflowStarted',
      'executionStarted',
      what === 'child' ? 'childCreated' : 'taskScheduled',
    ]);
  });

  it.each<[string, TestSigner | undefined, string]>([
    ['nobody', undefined, 'it is not attested'],
    ['another app', signerOf(root, { appId: 'third' }), 'the certificate is of default/third, not of default/other'],
    ['an unknown authority', signerOf(createRoot('attacker'), { appId: 'other' }), 'was not issued by an authority'],
  ])('are refused when they are attested by %s: it ends the workflow that takes them', async (_, executor, problem) => {
    const parent = signerOf(root, { appId: 'app' });
    // The executor believes the parent whatever its own root is.
    executor?.replace({ roots: root.pem });
    const { state } = await ask('activity', parent, executor);
    expect(state).toMatchObject({ status: 'FAILED', failure: { errorType: historyTampered } });
    expect(state.failure?.errorMessage).toContain(problem);
  });

  it.each(['activity', 'child'])('are a failure when the history that was handed on is not proven (%s)', async (what) => {
    const { state } = await ask(what, undefined, signerOf(root, { appId: 'other' }));
    expect(state).toMatchObject({ status: 'COMPLETED', output: historyTampered });
  });

  it('take proofs as they come where signing is off', async () => {
    seen.length = 0;
    // The parent wants attestations that the executor does not make: what matters here is that it was executed.
    await ask('activity', signerOf(root, { appId: 'app' }), undefined);
    expect(seen[0]?.chunks[0]?.proof?.signatures).toHaveLength(1);
  });
});
