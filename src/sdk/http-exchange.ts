import { bytesBody, collect } from '../kernel/body.ts';
import { CancelScope } from '../kernel/cancel.ts';
import { catalogue, type ErrorCode, type ErrorSpec } from '../kernel/catalogue.ts';
import { ProaError } from '../kernel/errors.ts';
import { hintOf } from '../kernel/hint-detail.ts';
import type { Address, Clock, Network } from '../kernel/ports.ts';
import { createHttp1Client } from '../wire/http1/client.ts';
import { codeOfHttp } from './invoke.ts';
import { fromJson, toJson } from './json.ts';
import type { Asking } from './operations.ts';

export interface HttpExchangeOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly address: Address;
  /** `DAPR_API_TOKEN`; absent: none is sent. */
  readonly apiToken?: string;
  readonly answerBytesMax: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  header(name: string): string | undefined;
  /** Headers `metadata.*`. */
  metadata(): Record<string, string>;
  json(): unknown;
}

interface Sent {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Questions to a runtime's HTTP API. */
export interface HttpExchange {
  /** The answer, whatever its status. */
  send(sent: Sent, asking: Asking): Promise<HttpAnswer>;
  /** The answer unless it is an error: then its ProaError is thrown. */
  must(answer: HttpAnswer): HttpAnswer;
  failure(answer: HttpAnswer): ProaError;
  /** `body` as JSON. */
  ask(
    method: string,
    target: string,
    more: { readonly body?: unknown; readonly headers?: readonly string[]; readonly asking?: Asking },
  ): Promise<HttpAnswer>;
  close(): void;
}

/** Over one pool of connections. */
export function createHttpExchange({ network, clock, address, apiToken, answerBytesMax }: HttpExchangeOptions): HttpExchange {
  const client = createHttp1Client({ network, clock });
  const host = 'path' in address ? 'localhost' : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  const fixed = ['host', host, ...(apiToken === undefined || apiToken === '' ? [] : ['dapr-api-token', apiToken])];
  const exchange: HttpExchange = {
    async send({ method, target, headers, body }, { cancel, traceparent }) {
      const trace = traceparent === '' ? [] : ['traceparent', traceparent];
      const request = { method, target, headers: [...fixed, ...trace, ...headers], cancel, body: bytesBody(body) };
      const answer = await client.request(address, request);
      return answerOf(answer.status, answer.headers, await collect(answer.body, answerBytesMax));
    },
    must(answer) {
      if (answer.status >= 400) throw exchange.failure(answer);
      return answer;
    },
    failure: failureOf,
    async ask(method, target, { body, headers = [], asking }) {
      const json = body === undefined ? new Uint8Array(0) : toJson(body, 'a request');
      const type = body === undefined ? [] : ['content-type', 'application/json'];
      const asked = asking ?? { cancel: new CancelScope(), deadlineMs: Infinity, traceparent: '' };
      return exchange.must(await exchange.send({ method, target, headers: [...type, ...headers], body: json }, asked));
    },
    close: () => client.close(),
  };
  return exchange;
}

function answerOf(status: number, headers: readonly string[], body: Uint8Array): HttpAnswer {
  const kept = [...headers];
  return {
    status,
    headers: kept,
    body,
    header(name) {
      const at = kept.findIndex((key, i) => i % 2 === 0 && key === name);
      return at < 0 ? undefined : kept[at + 1];
    },
    metadata() {
      const found: Record<string, string> = {};
      for (let i = 0; i < kept.length; i += 2) {
        const key = kept[i] as string;
        if (key.startsWith('metadata.')) found[spelled(key.slice('metadata.'.length))] = kept[i + 1] as string;
      }
      return found;
    },
    json: () => fromJson(body),
  };
}

// Header names have no case: the names that Dapr documents get theirs back.
const spellings = new Map(['ttlExpireTime', 'statusCode'].map((name) => [name.toLowerCase(), name]));

function spelled(name: string): string {
  return spellings.get(name) ?? name;
}

const codes = new Map<string, ErrorCode>();
for (const [code, spec] of Object.entries(catalogue) as [ErrorCode, ErrorSpec][])
  for (const key of [`${spec.errorCode} ${spec.http}`, spec.errorCode]) if (!codes.has(key)) codes.set(key, code);

// Our runtimes say the code itself; others say Dapr's, which with the status tells it in most cases.
function failureOf(answer: HttpAnswer): ProaError {
  const { errorCode = '', message, details } = (answer.json() ?? {}) as { errorCode?: string; message?: string; details?: unknown };
  const own = answer.header('x-proa-error') ?? '';
  const code = Object.hasOwn(catalogue, own)
    ? (own as ErrorCode)
    : (codes.get(`${errorCode} ${answer.status}`) ?? codes.get(errorCode) ?? codeOfHttp(answer.status));
  const info = Array.isArray(details)
    ? (details as Record<string, unknown>[]).find((detail) => String(detail['@type']).endsWith('ErrorInfo'))
    : undefined;
  const hint = hintOf(details);
  return new ProaError(code, message ?? `the runtime answered with status ${answer.status}`, {
    ...(hint !== undefined && { hint }),
    ...(typeof info?.['reason'] === 'string' && {
      details: {
        reason: info['reason'],
        ...(typeof info['metadata'] === 'object' && { metadata: info['metadata'] as Record<string, string> }),
      },
    }),
  });
}

/** Metadata as the query of a request: `?metadata.ttlInSeconds=5`, with what else stands in it. */
export function metadataQuery(metadata: Readonly<Record<string, string>>, more: Readonly<Record<string, string>> = {}): string {
  const pairs = [...Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value] as const), ...Object.entries(more)].map(
    ([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`,
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
