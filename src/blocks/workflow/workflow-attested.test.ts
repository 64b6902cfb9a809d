import { describe, expect, it } from 'vitest';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { kinds, open, root, said, stored } from '../../../test/fixtures/signed-workflows.ts';
import { createRoot, issue, signerOf, type TestSigner } from '../../../test/fixtures/signing-rig.ts';
import { complete, type Script } from '../../../test/fixtures/workflow-rig.ts';
import { historyTampered } from '../../contracts/history-signing.ts';
import type { PropagatedHistory } from '../../contracts/workflow.ts';
import { neverCancelled } from '../../kernel/cancel.ts';

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
    return { state, signatures: await said(block, id), engine, id };
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

  it('wait for a certificate that is valid, where they are made', async () => {
    const executor = signerOf(root, { appId: 'other', fromMs: Date.now() - 7_200_000, toMs: Date.now() - 3_600_000 });
    const engine = freshEngine();
    open(engine, executor, 'other', does);
    const { block } = open(engine, signerOf(root, { appId: 'app' }), 'app', asks);
    seen.length = 0;
    const id = await block.start({ name: 'asks', input: 'activity' });
    await expect.poll(() => seen.length).toBe(1);
    executor.replace(issue(root, { appId: 'other' }));
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', output: 'charged' });
    expect(seen).toHaveLength(1);
  });
});
