import { describe, expect, it } from 'vitest';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import {
  hourMs,
  kinds,
  namespace,
  open,
  root,
  store,
  said,
  type Stored,
  stored,
  waiting,
} from '../../../test/fixtures/signed-workflows.ts';
import { issue, signerOf } from '../../../test/fixtures/signing-rig.ts';
import { chain, complete, type Script } from '../../../test/fixtures/workflow-rig.ts';
import { neverCancelled } from '../../kernel/cancel.ts';

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
      'signature',
    ]);
    const { block } = open(engine, signing);
    await block.raise('o', 'paid', '7');
    expect(await block.wait('o', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: '7' });
    expect(await said(block, 'o')).toEqual({ signatures: 3, signedBy: ['default/app'], verified: true });
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
    expect(await said(block, 'o')).toMatchObject({ verified: true, signatures: 3 });
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
    expect(await said(block, 'l')).toMatchObject({ verified: true });
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
    expect(await said(block, id)).toEqual({ signatures: 1, signedBy: ['default/app'], verified: true });
  });

  it('are copied by a rerun only when they can be proven, into a chain of its own', async () => {
    const engine = freshEngine();
    const signing = signerOf(root, { appId: 'app' });
    const { block } = open(engine, signing);
    await block.start({ name: 'chain', instanceId: 'c', input: '0' });
    await block.wait('c', 'completed', neverCancelled);
    const again = await block.rerun('c', 3, { input: { value: '40' } });
    expect(await block.wait(again, 'completed', neverCancelled)).toMatchObject({ output: '43' });
    expect(await said(block, again)).toMatchObject({ verified: true, signedBy: ['default/app'] });
    const record = await stored(engine, 'c');
    await store(engine, 'c', { ...record, tail: record.tail.map((line) => line.replace('"result":"5"', '"result":"6"')) });
    await expect(block.rerun('c', 3, {})).rejects.toMatchObject({ code: 'workflow.history-unproven' });
    expect(await said(block, 'c')).toMatchObject({
      verified: false,
      problem: expect.stringContaining('are not those that were signed'),
    });
    const other = open(engine, signerOf(root, { appId: 'other' }), 'other');
    await expect(other.block.of('app', namespace).rerun(again, 3, {})).rejects.toMatchObject({ code: 'workflow.history-unproven' });
  });

  it('prove the result of what has finished to whoever asks for it', async () => {
    const changes: [(record: Stored) => void, string][] = [
      [
        (record) => void (record.tail = record.tail.map((line) => line.replace('"result":"5"', '"result":"6"'))),
        'are not those that were signed',
      ],
      [(record) => void (record.header = { ...record.header, status: 'FAILED' }), 'the history has ended as COMPLETED'],
      [(record) => void (record.header = { ...record.header, events: 3 }), 'events, not 3'],
      [(record) => void (record.header = (({ signed: _signed, ...rest }) => rest)(record.header)), 'its history is not signed'],
    ];
    const engine = freshEngine();
    const { block } = open(engine, signerOf(root, { appId: 'app' }));
    for (const [change, problem] of changes) {
      const id = await block.start({ name: 'chain', input: '0' });
      expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: '5' });
      const record = await stored(engine, id);
      change(record);
      await store(engine, id, record);
      const unproven = { code: 'workflow.history-unproven', message: expect.stringContaining(problem) };
      await expect(block.get(id, true)).rejects.toMatchObject(unproven);
      await expect(block.wait(id, 'completed', neverCancelled)).rejects.toMatchObject(unproven);
      expect(await block.get(id, false)).toMatchObject({ instanceId: id });
    }
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
    expect(await said(third.block, 'o')).toBeUndefined();
    await third.close();
    const fourth = open(engine, signing);
    await expect(fourth.block.rerun('o', 1, {})).rejects.toMatchObject({ code: 'workflow.history-unproven' });
    await expect(fourth.block.get('o', true)).rejects.toMatchObject({ code: 'workflow.history-unproven' });
    expect(await fourth.block.get('o', false)).toMatchObject({ status: 'COMPLETED' });
    expect(await fourth.block.show('o')).toMatchObject({ status: 'COMPLETED', output: '7' });
  });

  it('do not mix the other way either', async () => {
    const { engine, signing } = await waiting();
    const second = open(engine, undefined);
    await second.block.raise('o', 'paid', '7');
    await expect.poll(async () => (await second.block.get('o', true))?.stall?.description).toContain('signing is off in this runtime');
    expect(await said(second.block, 'o')).toEqual({ signatures: 2, signedBy: [] });
    await second.close();
    const third = open(engine, signing);
    expect(await third.block.wait('o', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: '7' });
    expect(await said(third.block, 'o')).toMatchObject({ verified: true });
  });
});
