import { describe, expect, it } from 'vitest';
import { createCall, type Call } from '../../kernel/call.ts';
import { emptyContext, valueOf, withValue } from '../../kernel/context.ts';
import { noTrace, traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import { noTracer, type Tracer } from '../../contracts/tracer.ts';
import { inboundSpan } from './inbound-span.ts';

interface Input {
  readonly topic: string;
  readonly header?: string;
}

const sampled = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const unsampled = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
const child = '00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01';

function rig(more: { readonly tracer?: Tracer } = {}) {
  const events: unknown[] = [];
  const tracer: Tracer = {
    ...noTracer,
    exports: true,
    start(kind, name, parent) {
      const started = [kind, name, parent.traceparent];
      events.push(started);
      return {
        trace: { ...parent, traceparent: child, sampled: true },
        sampled: true,
        set: (attribute, value) => events.push([attribute, value]),
        rename: (given) => void (started[1] = given),
        end: (ok, status) => events.push(['end', ok, status]),
      };
    },
  };
  let got: Call<Input> | undefined;
  const service = inboundSpan<Input, string>({
    tracer: more.tracer ?? tracer,
    kind: 'consumer',
    describe: ({ topic }) => ({ name: `pubsub/${topic}`, attributes: [['messaging.system', 'pubsub']] }),
    retraced: (input, { traceparent }) => ({ ...input, header: traceparent }),
  })((call) => {
    got = call;
    return Promise.resolve('done');
  });
  const send = async (trace: TraceContext) => {
    const call = createCall<Input>(
      { block: 'pubsub', name: 'deliver', idempotent: false },
      { topic: 't' },
      {
        context: trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, trace),
      },
    );
    expect(await service(call)).toBe('done');
    return { call, got: got as Call<Input>, seen: valueOf((got as Call<Input>).context, traceKey).traceparent };
  };
  return { events, send, tracer };
}

describe('the span of what reaches the app', () => {
  it('lies between the caller and the app, and ends with the call', async () => {
    const { events, send } = rig();
    const { call, got, seen } = await send({ ...noTrace, traceparent: sampled });
    expect([seen, got.input, got.end === call.end]).toEqual([child, { topic: 't', header: child }, true]);
    expect(events).toEqual([
      ['consumer', 'pubsub/t', sampled],
      ['messaging.system', 'pubsub'],
    ]);
    call.end.fire({ ok: true, status: 404 });
    expect(events.at(-1)).toEqual(['end', false, 404]);
  });

  it('begins a trace where there is none', async () => {
    const { events, send } = rig();
    const { call, seen } = await send(noTrace);
    call.end.fire({ ok: true });
    expect([seen, events[0], events.at(-1)]).toEqual([child, ['consumer', 'pubsub/t', ''], ['end', true, undefined]]);
  });

  it('leaves calls of traces that nobody records as they are', async () => {
    const { events, send } = rig();
    const { call, got } = await send({ ...noTrace, traceparent: unsampled });
    expect([got === call, events]).toEqual([true, []]);
    const silent = await rig({ tracer: noTracer }).send({ ...noTrace, traceparent: sampled });
    expect(silent.got).toBe(silent.call);
    const unseen = await rig({ tracer: { ...rig().tracer, exports: false } }).send({ ...noTrace, traceparent: sampled });
    expect([unseen.got === unseen.call, unseen.seen]).toEqual([true, sampled]);
  });
});
