import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { Body } from '../../kernel/body.ts';
import type { Caller } from '../../kernel/call.ts';
import { catalogue, type ErrorCode } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import { ownText } from '../../kernel/flat-text.ts';
import { canonicalMethod } from '../../kernel/method-path.ts';
import { isTraceHeader, type TraceContext } from '../../kernel/trace-context.ts';
import type { Fields } from '../../wire/mux/fields-writer.ts';
import { isFieldName } from './field-names.ts';

/** What the fields of a call between runtimes say, in their order (docs/reference/mux.md); header pairs follow. */
export interface CallFields {
  /** An invocation in HTTP terms, the same for an actor that the instance hosts, or a gRPC call that is passed on. */
  readonly kind: 'invoke' | 'actor' | 'grpc';
  readonly appId: string;
  readonly namespace: string;
  /** The instance that is meant; empty: any of the app. */
  readonly instance: string;
  /** Believed on a socket of the same user only; elsewhere the certificate says who calls. */
  readonly caller: Caller;
  readonly method: string;
  /** Percent-encoded, without a leading slash. */
  readonly path: string;
  readonly query: string;
}

/** Fields before the first header. */
export const fixedFields = 9;
const textCharsMax = 4096;

/** The fields of a call. */
export function callFields(call: CallFields, headers: readonly string[]): string[] {
  const { kind, appId, namespace, instance, caller, method, path, query } = call;
  const fields = [kind, appId, namespace, instance, caller.appId, caller.namespace, method, path, query];
  for (let i = 0; i < headers.length; i++) fields.push(headers[i] as string);
  return fields;
}

/** Reads the fields of a call. Fails with `bad-request` for what no runtime of ours sends. */
export function readCallFields(fields: readonly string[]): CallFields {
  const [kind, appId = '', namespace = '', instance = '', callerAppId = '', callerNamespace = '', method = '', path = '', query = ''] =
    fields;
  if ((kind !== 'invoke' && kind !== 'actor' && kind !== 'grpc') || fields.length < fixedFields || (fields.length - fixedFields) % 2 !== 0)
    throw new ProaError('bad-request', 'the call is of a kind that this runtime does not know');
  return { kind, appId, namespace, instance, caller: { appId: callerAppId, namespace: callerNamespace }, method, path, query };
}

/** Who calls whom, as the app is told; whatever the peer wrote under these names does not reach it. */
export interface Stamps {
  readonly caller: Caller;
  readonly appId: string;
}

/** The headers of a call with verified stamps. Fails with `bad-request` for a name that is no lower-case token. */
export function readHeaders(fields: readonly string[], { caller, appId }: Stamps): string[] {
  const headers: string[] = [];
  for (let i = fixedFields; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!isFieldName(name)) throw new ProaError('bad-request', `the header name ${JSON.stringify(name.slice(0, 64))} is not valid`);
    if (!isStamp(name)) headers.push(name, fields[i + 1] as string);
  }
  headers.push('dapr-caller-app-id', caller.appId, 'dapr-caller-namespace', caller.namespace, 'dapr-callee-app-id', appId);
  return headers;
}

/** True for the headers that tell an app who calls whom: the receiving runtime writes them. */
export function isStamp(name: string): boolean {
  return (
    (name.length === 18 && (name === 'dapr-caller-app-id' || name === 'dapr-callee-app-id')) ||
    (name.length === 21 && name === 'dapr-caller-namespace')
  );
}

/** Which instance a call is for, whether for an actor there, and its path as it is sent. */
export interface InvokeTo {
  readonly instance: string;
  readonly kind: 'invoke' | 'actor';
  /** `input.path`, percent-encoded. */
  readonly path: string;
}

/** Who makes a call, and the trace that it belongs to. */
export interface InvokeFrom {
  readonly caller: Caller;
  readonly trace: TraceContext;
}

const places = 4;

/** Invocations as the fields of calls, their trace as the last headers. Those that differ in nothing but their trace share a list. */
export class InvokeFields {
  /** Lists that end with the name of the header of the trace, and of which headers they were made. */
  readonly #known: { readonly headers: readonly string[]; readonly fields: readonly string[] }[] = [];
  #next = 0;

  of(input: InvokeRequest, { caller, trace }: InvokeFrom, { instance, kind, path }: InvokeTo): Fields {
    const { appId, namespace, httpMethod: method, query, headers } = input;
    const call = { kind, appId, namespace, instance, caller, method, path, query };
    const { traceparent, tracestate } = trace;
    if (traceparent === '') return { fields: callFields(call, headers), last: undefined };
    if (tracestate !== '') return { fields: [...callFields(call, headers), 'tracestate', tracestate, 'traceparent'], last: traceparent };
    return { fields: this.#traced(call, headers), last: traceparent };
  }

  #traced(call: CallFields, headers: readonly string[]): readonly string[] {
    for (let i = 0; i < this.#known.length; i++) {
      const known = this.#known[i];
      if (known?.headers === headers && isOf(call, known.fields)) return known.fields;
    }
    const fields = callFields(call, headers);
    fields.push('traceparent');
    this.#known[this.#next] = { headers, fields };
    this.#next = (this.#next + 1) % places;
    return fields;
  }
}

/** True when the fields begin with what the call says. */
function isOf({ kind, appId, namespace, instance, caller, method, path, query }: CallFields, fields: readonly string[]): boolean {
  return (
    fields[7] === path &&
    fields[3] === instance &&
    fields[1] === appId &&
    fields[2] === namespace &&
    fields[4] === caller.appId &&
    fields[5] === caller.namespace &&
    fields[6] === method &&
    fields[8] === query &&
    fields[0] === kind
  );
}

/** The invocation that the fields describe; its trace is not part of it. Fails with `bad-request`. */
export function readInvoke(call: CallFields, parts: { fields: readonly string[]; body: Body; caller: Caller }): InvokeRequest {
  const path = canonicalMethod(call.path);
  if ('error' in path) throw new ProaError('bad-request', path.error);
  const { appId, namespace, method: httpMethod, query } = call;
  const headers = withoutTrace(readHeaders(parts.fields, { caller: parts.caller, appId }));
  // Paths are remembered, and actors by their id in it: as a piece of the head each would keep all of it in memory.
  return {
    appId,
    namespace,
    httpMethod,
    path: ownText(path.path),
    query,
    headers,
    body: parts.body,
    replayable: parts.body.length !== undefined,
  };
}

function withoutTrace(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2)
    if (!isTraceHeader(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
  return kept;
}

/** An app's answer: its status, then header pairs, among them what gRPC has beside HTTP. */
export function answerFields({ status, headers, grpc, trailers }: InvokeResponse): string[] {
  const fields = [String(status)];
  if (grpc !== undefined) {
    fields.push(':grpc-code', String(grpc.code), ':grpc-message', encodeText(grpc.message));
    if (grpc.details !== undefined) fields.push(':grpc-details', Buffer.from(grpc.details).toString('base64'));
  }
  for (let i = 0; trailers !== undefined && i + 1 < trailers.length; i += 2)
    fields.push(`:trailer-${trailers[i]}`, trailers[i + 1] as string);
  for (let i = 0; i < headers.length; i++) fields.push(headers[i] as string);
  return fields;
}

/**
 * A failure of the runtime in place of an app's answer: code, message, milliseconds until the caller may come again when there is a limit, and `refused` when the
 * app was not asked.
 */
export function failureFields({ code, message, details, refusedAt }: ProaError): string[] {
  const retryAfterMs = details?.metadata?.['retryAfterMs'];
  const fields = [`!${code}`, encodeText(message)];
  if (refusedAt !== undefined) return [...fields, retryAfterMs ?? '', 'refused'];
  return retryAfterMs === undefined ? fields : [...fields, retryAfterMs];
}

/** Reads an answer. Throws the error that the peer's runtime met, and `peer.protocol` for what is no answer. */
export function readAnswer(fields: readonly string[], body: Body): InvokeResponse {
  const first = fields[0] ?? '';
  if (first.charCodeAt(0) === 33) {
    body.discard();
    const code = first.slice(1);
    const retryAfterMs = fields[2];
    const details = retryAfterMs !== undefined && /^\d{1,9}$/.test(retryAfterMs) ? { details: { metadata: { retryAfterMs } } } : {};
    throw new ProaError(Object.hasOwn(catalogue, code) ? (code as ErrorCode) : 'invoke.failed', decodeText(fields[1] ?? ''), {
      ...details,
      refusedAt: fields[3] === 'refused' ? 'callee' : undefined,
    });
  }
  const status = Number(first);
  if (!(status >= 200 && status <= 599) || fields.length % 2 !== 1) {
    body.discard();
    throw new ProaError('peer.protocol', `a runtime answered with the status ${JSON.stringify(first.slice(0, 16))}`);
  }
  if (fields[1]?.charCodeAt(0) === 58) return readGrpcAnswer(status, fields, body);
  const headers = fields.slice(1);
  checkNames(headers);
  return { status, headers, body };
}

function readGrpcAnswer(status: number, fields: readonly string[], body: Body): InvokeResponse {
  const headers: string[] = [];
  const trailers: string[] = [];
  const own = new Map<string, string>();
  for (let i = 1; i < fields.length; i += 2) {
    const [name, value] = [fields[i] as string, fields[i + 1] as string];
    if (name.startsWith(':trailer-')) trailers.push(name.slice(9), value);
    else if (name.charCodeAt(0) === 58) own.set(name, value);
    else headers.push(name, value);
  }
  checkNames(headers);
  checkNames(trailers);
  const code = own.get(':grpc-code');
  const details = own.get(':grpc-details');
  const message = decodeText(own.get(':grpc-message') ?? '');
  return {
    status,
    headers,
    body,
    ...(code !== undefined && {
      grpc: { code: Number(code), message, ...(details !== undefined && { details: Buffer.from(details, 'base64') }) },
    }),
    ...(trailers.length > 0 && { trailers }),
  };
}

function checkNames(headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2)
    if (!isFieldName(headers[i] as string))
      throw new ProaError('peer.protocol', `an answer holds the header name ${JSON.stringify((headers[i] as string).slice(0, 64))}`);
}

// Fields are latin1; text for people is the UTF-8 of it.
function encodeText(text: string): string {
  const cut = text.length > textCharsMax ? `${text.slice(0, textCharsMax)}…` : text;
  return Buffer.from(cut, 'utf8').toString('latin1');
}

function decodeText(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
