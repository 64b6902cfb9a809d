import { describe, expect, it } from 'vitest';
import type { Target } from '../contracts/governance.ts';
import { noTracer, type Tracer } from '../contracts/tracer.ts';
import { createCall, type Call } from '../kernel/call.ts';
import { emptyContext, valueOf, withValue } from '../kernel/context.ts';
import { noTrace, traceKey } from '../kernel/trace-context.ts';
import { inboundTrace } from './inbound-spans.ts';

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const child = '00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01';

async function spanOf(target: Pick<Target, 'block' | 'name'> & { readonly operation?: string }, input: unknown, traceparent = parent) {
  const said: Record<string, unknown> = {};
  const tracer: Tracer = {
    ...noTracer,
    exports: true,
    start(kind) {
      const trace = { ...noTrace, traceparent: child };
      return {
        trace,
        sampled: true,
        set: (attribute, value) => void (said[attribute] = value),
        rename: (name) => void (said['span'] = `${kind} ${name}`),
        end() {},
      };
    },
  };
  const [layer] = inboundTrace(tracer, { operation: '', ...target, direction: 'inbound' });
  if (layer === undefined || !('filter' in layer)) throw new Error('there is no layer');
  let seen: Call<unknown> | undefined;
  const service = layer.filter((call) => Promise.resolve((seen = call as Call<unknown>)));
  const context = withValue(emptyContext, traceKey, { ...noTrace, traceparent });
  await service(createCall({ block: target.block, name: '', idempotent: false }, input, { context }) as never);
  const got = seen as unknown as Call<unknown>;
  return { said, seen: got.input, trace: valueOf(got.context, traceKey).traceparent };
}

describe('what reaches an app', () => {
  it('is named as in Dapr', async () => {
    const headers = ['a', '1'];
    const invoked = await spanOf({ block: 'invoke', name: 'b' }, { appId: 'b', path: 'm/n', httpMethod: 'PUT', headers });
    expect(invoked.said).toEqual({
      span: 'server CallLocal/b/m/n',
      'rpc.service': 'ServiceInvocation',
      'dapr.invoke_method': 'm/n',
      'http.request.method': 'PUT',
    });
    // What the app is told comes from the context, so the headers stay the list that they are.
    expect((invoked.seen as { headers: unknown }).headers).toBe(headers);
    expect(invoked.trace).toBe(child);
    expect((await spanOf({ block: 'jobs', name: 'b', operation: 'run' }, { name: 'nightly' })).said).toEqual({
      span: 'consumer job/nightly',
      'rpc.service': 'Jobs',
      'dapr.invoke_method': 'job/nightly',
    });
    expect((await spanOf({ block: 'pubsub', name: 'p' }, { topic: 't' })).said).toEqual({
      span: 'consumer pubsub/t',
      'messaging.system': 'pubsub',
      'messaging.destination.name': 't',
    });
    expect((await spanOf({ block: 'bindings', name: 'cron' }, {})).said).toEqual({
      span: 'consumer bindings/cron',
      'rpc.service': 'Dapr',
      'db.system': 'bindings',
      'db.name': 'cron',
      'db.connection_string': 'bindings',
    });
  });

  it('is the full method where gRPC is passed on, and the app reads its parent from what goes out', async () => {
    const input = {
      appId: 'b',
      path: 'shop.Orders/Place',
      httpMethod: 'POST',
      headers: [],
      wire: ['te', 'trailers', 'traceparent', parent],
    };
    const proxied = await spanOf({ block: 'invoke', name: 'b', operation: 'proxy' }, input);
    expect(proxied.said).toEqual({
      span: 'server /shop.Orders/Place',
      'rpc.system': 'grpc',
      'rpc.service': 'shop.Orders',
      'dapr.invoke_method': 'shop.Orders/Place',
    });
    const untraced = await spanOf({ block: 'invoke', name: 'b', operation: 'proxy' }, input, '');
    expect([untraced.said, untraced.seen]).toEqual([{}, input]);
    expect(proxied.seen).toMatchObject({ headers: [], wire: ['te', 'trailers', 'traceparent', child] });
  });

  it('is nothing else', () => {
    const none = (target: Target): unknown => inboundTrace({ ...noTracer, start: () => undefined as never }, target);
    expect(none({ block: 'invoke', name: 'b', operation: 'call', direction: 'outbound' })).toEqual([]);
    expect(none({ block: 'configuration', name: 'c', operation: 'update', direction: 'inbound' })).toEqual([]);
  });
});
