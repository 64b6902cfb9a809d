import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { hintDetail } from '../kernel/hint-detail.ts';
import { nodePorts } from '../ports/node/index.ts';
import { startHost } from './host.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-paths-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it("an error keeps Dapr's code and text, and says beside them what to do", async () => {
  const shared = { dataDirectory: directory, logLevel: 'error', logFormat: 'human', graceMs: 1_000, mode: 'run' } as const;
  const host = await startHost({ ports: nodePorts(), apps: [appSpec('one', { defaults: 'missing-kinds' })], shared, events() {} });
  const ask = async (path: string): Promise<unknown> => (await fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}${path}`)).json();
  expect(await ask('/v1.0/nowhere')).toEqual({
    errorCode: 'ERR_DIRECT_INVOKE',
    message: 'failed getting app id either from the URL path or the header dapr-app-id',
    // Java's SDK reads no document with a member that Dapr's have not.
    details: [hintDetail('no API has this method and path; an app is called with /v1.0/invoke/<app id>/method/<path>')],
  });
  expect(await ask('/v1.0/state/statestor/key')).toMatchObject({
    errorCode: 'ERR_STATE_STORE_NOT_FOUND',
    message: 'state store statestor is not found',
    details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo' }, hintDetail('did you mean statestore?')],
  });
  // Nothing more where nobody knows more.
  expect(Object.keys((await ask('/v1.0/workflows/dapr/nobody')) as object)).toEqual(['errorCode', 'message']);
  await host.stop('the test is over');
});
