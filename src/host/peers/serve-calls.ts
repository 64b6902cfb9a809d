import type { InvokeRequest } from '../../contracts/app-channel.ts';
import { emptyBody } from '../../kernel/body.ts';
import { createCall, type Caller } from '../../kernel/call.ts';
import { emptyContext, withValue, type Context } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { isTraceparent, traceKey } from '../../kernel/trace-context.ts';
import { forwardHeaders } from '../../wire/http1/forward-headers.ts';
import type { MuxCall } from '../../wire/mux/server.ts';
import { appOf, type CalledApp, type Machine } from '../machine.ts';
import { answerFields, failureFields, readCallFields, readHeaders, readInvoke, type CallFields } from './call-fields.ts';

/** What arrives for which app, and who sent it. */
export interface Arrival {
  readonly app: CalledApp;
  /** Verified by the peer's certificate, or believed on a socket of the same user. */
  readonly caller: Caller;
}

/** Finds the app of a call and its caller; fails with `invoke.unreachable` when the app is not here. */
export type Arrivals<Peer> = (call: CallFields, peer: Peer) => Arrival;

const operations = {
  invoke: { block: 'invoke', name: 'receive', idempotent: false },
  actor: { block: 'actors', name: 'receive', idempotent: false },
} as const;

/** The caller gives up first, and knows why: by its own clock, and with the policy that set the deadline. */
const behindCallerMs = 20;

/** Serves calls of other runtimes: each goes to the app that `arrivals` finds, as if it had come from within this process. */
export function serveCalls<Peer>(clock: Clock, arrivals: Arrivals<Peer>): (call: MuxCall<Peer>) => void {
  return (incoming) => {
    try {
      const call = readCallFields(incoming.fields);
      const arrival = arrivals(call, incoming.peer);
      if (call.kind === 'grpc') serveGrpc(incoming, { call, arrival });
      else serveInvoke(clock, incoming, { call, arrival, kind: call.kind });
    } catch (error) {
      incoming.body.discard();
      refuse(incoming, ProaError.from(error));
    }
  };
}

interface Arrived {
  readonly call: CallFields;
  readonly arrival: Arrival;
}

function serveInvoke(
  clock: Clock,
  incoming: MuxCall<unknown>,
  { call: fields, arrival, kind }: Arrived & { readonly kind: 'invoke' | 'actor' },
): void {
  const { cancel, stream, timeoutMs, body } = incoming;
  const input: InvokeRequest = readInvoke(fields, { fields: incoming.fields, body, caller: arrival.caller });
  const call = createCall(operations[kind], input, {
    cancel,
    context: traceOf(input.headers),
    caller: arrival.caller,
    ...(timeoutMs === undefined ? {} : { deadlineMs: clock.mono() + timeoutMs + behindCallerMs }),
  });
  (kind === 'actor' ? arrival.app.actors : arrival.app.invoke).receive(call).then(
    (answer) => {
      stream.onSent(
        (error) => void call.end.fire({ ok: error === undefined, status: answer.status, ...(error === undefined ? {} : { error }) }),
      );
      try {
        stream.send(answerFields({ ...answer, headers: forwardHeaders(answer.headers) }), answer.body);
      } catch (thrown) {
        answer.body.discard();
        refuse(incoming, ProaError.from(thrown));
      }
    },
    (thrown: unknown) => {
      const error = ProaError.from(thrown);
      call.end.fire({ ok: false, error });
      refuse(incoming, error);
    },
  );
}

function refuse({ stream }: MuxCall<unknown>, error: ProaError): void {
  stream.send(failureFields(error), emptyBody);
}

// gRPC's code is loaded with the first such call.
function serveGrpc(incoming: MuxCall<unknown>, { call, arrival }: Arrived): void {
  const headers = readHeaders(incoming.fields, { caller: arrival.caller, appId: call.appId });
  void Promise.all([import('../../wire/grpc/proxy.ts'), import('../../wire/mux/http2-stream.ts')]).then(
    ([{ proxyStream }, { acceptHttp2Stream }]) => {
      const { stream, attach } = acceptHttp2Stream(incoming);
      const proxied = proxyStream(stream, {
        headers,
        client: { raw: (_headers, handlers) => arrival.app.proxy(headers, arrival.caller, handlers) },
      });
      attach(proxied);
    },
  );
}

function traceOf(headers: readonly string[]): Context {
  let traceparent = '';
  let tracestate = '';
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === 'traceparent') traceparent = headers[i + 1] as string;
    else if (headers[i] === 'tracestate') tracestate = headers[i + 1] as string;
  }
  return isTraceparent(traceparent) ? withValue(emptyContext, traceKey, { traceparent, tracestate, baggage: '' }) : emptyContext;
}

/** The app that a call on the socket of this machine names. */
export function arrivalsOfMachine(machine: Machine): Arrivals<unknown> {
  return (call) => {
    const app = appOf(machine, call, machine.local.get(call.instance));
    if (app === undefined) throw new ProaError('invoke.unreachable', 'this runtime does not host that instance any more');
    return { app, caller: call.caller };
  };
}
