import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../kernel/body.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import type { MuxCall } from '../../wire/mux/server.ts';
import type { CalledApp } from '../machine.ts';
import { callFields } from './call-fields.ts';
import { serveCalls } from './serve-calls.ts';

const caller = { appId: 'orders', namespace: 'prod' };

describe('calls of other runtimes', () => {
  it('with a header that no runtime of ours sends are refused, those of gRPC also before its code is loaded', async () => {
    const serve = serveCalls(nodeClock, () => ({ app: {} as CalledApp, caller }));
    const call = { appId: 'billing', namespace: 'prod', instance: '', caller, method: 'POST', path: '', query: '' };
    for (const kind of ['grpc', 'grpc', 'invoke'] as const) {
      const refused = new Promise<readonly string[]>((resolve) => {
        const stream = { send: resolve };
        const fields = callFields({ kind, ...call }, ['Not-Lower', 'x']);
        serve({ fields, form: undefined, body: emptyBody, timeoutMs: undefined, peer: undefined, stream } as unknown as MuxCall<unknown>);
      });
      expect((await refused).slice(0, 2)).toEqual(['!bad-request', 'the header name "Not-Lower" is not valid']);
    }
  });
});
