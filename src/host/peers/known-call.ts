import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Caller } from '../../kernel/call.ts';
import { emptyContext, withValue, type Context } from '../../kernel/context.ts';
import { isTraceHeader, isTraceparent, traceKey } from '../../kernel/trace-context.ts';
import type { Incoming } from '../../wire/mux/stream.ts';
import { fixedFields, isStamp, readCallFields, readInvoke, type CallFields } from './call-fields.ts';

/** An invocation that arrived, and the trace that it belongs to. */
export interface ArrivedInvocation {
  readonly input: InvokeRequest;
  readonly context: Context;
}

/**
 * What the calls of one form have in common, judged at the first of them: they differ in the values of a few headers, and nothing about those is judged
 * before they reach the app.
 */
class KnownCall {
  readonly call: CallFields;
  readonly #varying: readonly number[];
  #invocation: KnownInvocation | undefined = undefined;

  constructor(call: CallFields, varying: readonly number[]) {
    this.call = call;
    this.#varying = varying;
  }

  invocation(incoming: Incoming, caller: Caller): ArrivedInvocation {
    const known = this.#invocation;
    if (known !== undefined && known.caller.appId === caller.appId && known.caller.namespace === caller.namespace)
      return known.of(incoming);
    const input = readInvoke(this.call, { fields: incoming.fields, body: incoming.body, caller });
    this.#invocation = new KnownInvocation(input, caller, { fields: incoming.fields, varying: this.#varying });
    return { input, context: contextOf(incoming.fields, traceAt(incoming.fields)) };
  }
}

/** The fields of a call. Fails with `bad-request` for what no runtime of ours sends. */
export function callOf(incoming: Incoming): CallFields {
  return knownCall(incoming)?.call ?? readCallFields(incoming.fields);
}

/** The invocation that `call`, the fields of `incoming`, describes. Fails with `bad-request`. */
export function invocationOf(incoming: Incoming, call: CallFields, caller: Caller): ArrivedInvocation {
  const known = knownCall(incoming);
  if (known !== undefined) return known.invocation(incoming, caller);
  const input = readInvoke(call, { fields: incoming.fields, body: incoming.body, caller });
  return { input, context: contextOf(incoming.fields, traceAt(incoming.fields)) };
}

function knownCall({ form, fields }: Incoming): KnownCall | undefined {
  if (form?.repeats !== true) return undefined;
  if (form.known instanceof KnownCall) return form.known;
  if (!form.varying.every((index) => index >= fixedFields && (index - fixedFields) % 2 === 1)) return undefined;
  const known = new KnownCall(readCallFields(fields), form.varying);
  form.known = known;
  return known;
}

/** A value that varies: the place of its field, and the one that it has among the headers. */
interface Place {
  readonly field: number;
  readonly header: number;
}

class KnownInvocation {
  readonly caller: Caller;
  readonly #first: InvokeRequest;
  readonly #places: readonly Place[];
  readonly #trace: TraceAt;

  constructor(first: InvokeRequest, caller: Caller, { fields, varying }: { fields: readonly string[]; varying: readonly number[] }) {
    this.caller = caller;
    this.#first = first;
    this.#places = placesOf(fields, varying);
    this.#trace = traceAt(fields);
  }

  of({ fields, body }: Incoming): ArrivedInvocation {
    const { appId, namespace, httpMethod, path, query, headers: before } = this.#first;
    // Where nothing but the trace varies, all calls have the same list: what is made of it further on is found again.
    const headers = this.#places.length === 0 ? before : this.#varied(before, fields);
    const input = { appId, namespace, httpMethod, path, query, headers, body, replayable: body.length !== undefined };
    return { input, context: contextOf(fields, this.#trace) };
  }

  #varied(before: readonly string[], fields: readonly string[]): string[] {
    const headers = before.slice();
    for (let i = 0; i < this.#places.length; i++) {
      const { field, header } = this.#places[i] as Place;
      headers[header] = fields[field] as string;
    }
    return headers;
  }
}

/** The headers keep the order of their fields. The trace has none, nor has what the peer wrote in the place of a stamp. */
function placesOf(fields: readonly string[], varying: readonly number[]): Place[] {
  const places: Place[] = [];
  let header = 0;
  for (let field = fixedFields; field < fields.length; field += 2) {
    const name = fields[field] as string;
    if (isStamp(name) || isTraceHeader(name)) continue;
    if (varying.includes(field + 1)) places.push({ field: field + 1, header: header + 1 });
    header += 2;
  }
  return places;
}

/** The fields with the values of the trace's headers; 0 for one that is not there. */
interface TraceAt {
  readonly traceparent: number;
  readonly tracestate: number;
}

function traceAt(fields: readonly string[]): TraceAt {
  let traceparent = 0;
  let tracestate = 0;
  for (let i = fixedFields; i < fields.length; i += 2) {
    if (fields[i] === 'traceparent') traceparent = i + 1;
    else if (fields[i] === 'tracestate') tracestate = i + 1;
  }
  return { traceparent, tracestate };
}

function contextOf(fields: readonly string[], at: TraceAt): Context {
  if (at.traceparent === 0) return emptyContext;
  const traceparent = fields[at.traceparent] as string;
  if (!isTraceparent(traceparent)) return emptyContext;
  const tracestate = at.tracestate === 0 ? '' : (fields[at.tracestate] as string);
  return withValue(emptyContext, traceKey, { traceparent, tracestate, baggage: '' });
}
