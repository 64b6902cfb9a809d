import type { InvokeResponse } from '../../contracts/app-channel.ts';
import { emptyBody } from '../../kernel/body.ts';
import { createCall, type Caller } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { ListMemo } from '../../kernel/list-memo.ts';
import type { Clock } from '../../kernel/ports.ts';
import { forwardHeaders } from '../../wire/http1/forward-headers.ts';
import type { MuxCall } from '../../wire/mux/server.ts';
import { appOf, type CalledApp, type Machine } from '../machine.ts';
import { answerFields, failureFields, readHeaders, type CallFields } from './call-fields.ts';
import { callOf, invocationOf } from './known-call.ts';

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
  // The answers of an app that have the bytes of a recent one have its list of headers, and then these fields.
  const plain = new ListMemo((headers) => answerFields({ status: 200, headers: forwardHeaders(headers), body: emptyBody }));
  const fieldsOf = (answer: InvokeResponse): readonly string[] =>
    answer.status === 200 && answer.grpc === undefined && answer.trailers === undefined
      ? plain.of(answer.headers)
      : answerFields({ ...answer, headers: forwardHeaders(answer.headers) });
  return (incoming) => {
    try {
      const call = callOf(incoming);
      const arrival = arrivals(call, incoming.peer);
      if (call.kind === 'grpc') serveGrpc(incoming, { call, arrival });
      else serveInvoke(incoming, { call, arrival, kind: call.kind, clock, fieldsOf });
    } catch (error) {
      refuseUnread(incoming, error);
    }
  };
}

interface Arrived {
  readonly call: CallFields;
  readonly arrival: Arrival;
}

interface ArrivedInvoke extends Arrived {
  readonly kind: 'invoke' | 'actor';
  readonly clock: Clock;
  readonly fieldsOf: (answer: InvokeResponse) => readonly string[];
}

function serveInvoke(incoming: MuxCall<unknown>, { call: fields, arrival, kind, clock, fieldsOf }: ArrivedInvoke): void {
  const { cancel, stream, timeoutMs } = incoming;
  const { input, context } = invocationOf(incoming, fields, arrival.caller);
  const deadlineMs = timeoutMs === undefined ? Infinity : clock.mono() + timeoutMs + behindCallerMs;
  const call = createCall(operations[kind], input, { cancel, context, caller: arrival.caller, deadlineMs });
  (kind === 'actor' ? arrival.app.actors : arrival.app.invoke).receive(call).then(
    (answer) => {
      const { status } = answer;
      stream.onSent((error) => void call.end.fire(error === undefined ? { ok: true, status } : { ok: false, status, error }));
      try {
        stream.send(fieldsOf(answer), answer.body);
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

function refuseUnread(incoming: MuxCall<unknown>, error: unknown): void {
  incoming.body.discard();
  refuse(incoming, ProaError.from(error));
}

type ServeGrpc = (incoming: MuxCall<unknown>, arrived: Arrived) => void;

// gRPC's code is loaded with the first such call.
let loadedGrpc: ServeGrpc | undefined;

function serveGrpc(incoming: MuxCall<unknown>, arrived: Arrived): void {
  if (loadedGrpc !== undefined) loadedGrpc(incoming, arrived);
  else
    void loadGrpc()
      .then((serve) => serve(incoming, arrived))
      .catch((error: unknown) => refuseUnread(incoming, error));
}

async function loadGrpc(): Promise<ServeGrpc> {
  const [{ proxyStream }, { acceptHttp2Stream }] = [
    await import('../../wire/grpc/proxy.ts'),
    await import('../../wire/mux/http2-stream.ts'),
  ];
  loadedGrpc = (incoming, { call, arrival: { app, caller } }) => {
    const headers = readHeaders(incoming.fields, { caller, appId: call.appId });
    const { stream, attach } = acceptHttp2Stream(incoming);
    attach(proxyStream(stream, { headers, client: { raw: (_headers, handlers) => app.proxy(headers, caller, handlers) } }));
  };
  return loadedGrpc;
}

/** The app that a call on the socket of this machine names. */
export function arrivalsOfMachine(machine: Machine): Arrivals<unknown> {
  return (call) => {
    const app = appOf(machine, call, machine.local.get(call.instance));
    if (app === undefined) throw new ProaError('invoke.unreachable', 'this runtime does not host that instance any more');
    return { app, caller: call.caller };
  };
}
