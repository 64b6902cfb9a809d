import { isProaError, ProaError } from '../kernel/errors.ts';
import { limits } from '../kernel/limits.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import type { App } from './app.ts';
import { answerActors } from './http-actors.ts';
import { fromJson } from './json.ts';
import type { InvocationAnswer } from './operations.ts';
import { failureAnswer, type Received } from './request.ts';

export interface AppHttpOptions {
  /** What the runtime sends as `dapr-api-token`; anybody else is refused. Absent: nothing is checked. */
  readonly appToken?: string;
}

const empty = new Uint8Array(0);

/**
 * Dapr's callbacks over HTTP (Dapr reference 5) on an app: `/dapr/subscribe`, `/dapr/config`, the routes of events and bindings, changes of configuration; what
 * is none of these is an invocation.
 */
export async function answerHttp(app: App, received: Received, { appToken }: AppHttpOptions = {}): Promise<InvocationAnswer> {
  const { path, httpMethod } = received;
  if (appToken !== undefined && appToken !== '' && valueOf(received.headers, 'dapr-api-token') !== appToken)
    return failureAnswer(new ProaError('unauthenticated', 'the token of the runtime is missing or wrong'), '');
  if (httpMethod === 'GET' && path === 'dapr/subscribe') return json(200, app.subscriptions().map(subscription));
  const ofActors = await answerActors(app.actors, received);
  if (ofActors !== undefined) return ofActors;
  if (path.startsWith('dapr/')) return { status: 404, headers: [], body: empty };
  const known = app.bindings().includes(path);
  if (httpMethod === 'OPTIONS' && (known || !path.includes('/'))) return { status: known ? 200 : 404, headers: [], body: empty };
  if (httpMethod !== 'POST') return app.receive(received);
  if (path.startsWith('proa/events/')) return event(app, received);
  if (known) return binding(app, received);
  if (path.startsWith('job/')) return job(app, received);
  if (/^configuration\/[^/]+\/./.test(path) && isChange(received)) return changed(app, received);
  return app.receive(received);
}

/** The app as a `fetch` handler, for whatever can host one (Hono, Next; Express, Fastify and Nest by an adapter). */
export function fetchOf(app: App, options: AppHttpOptions = {}): (request: Request) => Promise<Response> {
  return async (request) => {
    const url = new URL(request.url);
    const named = canonicalMethod(url.pathname.replace(/^\/+/, ''));
    if ('error' in named) return new Response(named.error, { status: 400 });
    const received: Received = {
      path: named.path,
      httpMethod: request.method,
      query: url.search.slice(1),
      headers: [...request.headers].flat(),
      body: new Uint8Array(await request.arrayBuffer()),
    };
    const { status, headers, body } =
      received.body.length > limits.bodyBytes
        ? failureAnswer(new ProaError('body-read', `the body is larger than ${limits.bodyBytes} bytes`), '')
        : await answerHttp(app, received, options);
    const pairs: [string, string][] = [];
    for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i] as string, headers[i + 1] as string]);
    // Statuses that never have a body must not be given one.
    return new Response(status === 204 || status === 304 ? null : Uint8Array.from(body), { status, headers: pairs });
  };
}

async function event(app: App, received: Received): Promise<InvocationAnswer> {
  const document = fromJson(received.body) as { readonly type?: unknown; readonly entries?: unknown } | undefined;
  if (document?.type === 'com.dapr.event.sent.bulk' && Array.isArray(document.entries)) return bulk(app, received, document as Bulk);
  const { topic, pubsubname } = document as { readonly topic?: string; readonly pubsubname?: string };
  const verdict = await app.event({
    path: received.path,
    pubsub: pubsubname ?? valueOf(received.headers, 'pubsubname') ?? '',
    topic: topic ?? '',
    cloudEvent: received.body,
    metadata: {},
  });
  // What fails is told by status too, so that a log on the way shows it.
  return json(200, { status: verdict.status.toUpperCase() });
}

interface Bulk {
  readonly id: string;
  readonly topic: string;
  readonly pubsubname: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly entries: readonly {
    readonly entryId: string;
    readonly event: unknown;
    readonly contentType: string;
    readonly metadata?: Readonly<Record<string, string>>;
  }[];
}

async function bulk(app: App, received: Received, { id, topic, pubsubname, metadata = {}, entries }: Bulk): Promise<InvocationAnswer> {
  const verdicts = await app.bulkEvent({
    id,
    path: received.path,
    pubsub: pubsubname,
    topic,
    metadata,
    entries: entries.map((entry) => ({
      entryId: entry.entryId,
      contentType: entry.contentType,
      metadata: entry.metadata ?? {},
      event:
        entry.contentType === 'application/octet-stream' && typeof entry.event === 'string'
          ? Buffer.from(entry.event, 'base64')
          : Buffer.from(JSON.stringify(entry.event)),
    })),
  });
  return json(200, { statuses: [...verdicts].map(([entryId, { status }]) => ({ entryId, status: status.toUpperCase() })) });
}

async function binding(app: App, received: Received): Promise<InvocationAnswer> {
  const metadata: Record<string, string> = {};
  for (let i = 0; i < received.headers.length; i += 2) metadata[received.headers[i] as string] = received.headers[i + 1] as string;
  try {
    const { data } = await app.binding(received.path, received.body, metadata);
    return data === undefined ? json(200, {}) : { status: 200, headers: ['content-type', 'application/json'], body: data };
  } catch (error) {
    return failureAnswer(error, valueOf(received.headers, 'traceparent') ?? '');
  }
}

// 404 tells the runtime that there is no such job: one without a handler may still be an invocation.
async function job(app: App, received: Received): Promise<InvocationAnswer> {
  try {
    await app.job(received.path.slice('job/'.length), received.body);
    return { status: 200, headers: [], body: empty };
  } catch (error) {
    if (isProaError(error) && error.code === 'not-found') return app.receive(received);
    return failureAnswer(error, valueOf(received.headers, 'traceparent') ?? '');
  }
}

function isChange(received: Received): boolean {
  const { id, items } = (fromJson(received.body) ?? {}) as { readonly id?: unknown; readonly items?: unknown };
  return typeof id === 'string' && typeof items === 'object' && items !== null;
}

function changed(app: App, received: Received): InvocationAnswer {
  const { id, items } = fromJson(received.body) as { readonly id: string; readonly items: Parameters<App['configurationChanged']>[1] };
  app.configurationChanged(id, items);
  return { status: 200, headers: [], body: empty };
}

function subscription(spec: ReturnType<App['subscriptions']>[number]): object {
  const { pubsub, topic, metadata, rules, defaultPath, deadLetterTopic, bulk: many } = spec;
  return {
    pubsubname: pubsub,
    topic,
    metadata,
    routes: { rules, ...(defaultPath !== undefined && { default: defaultPath }) },
    ...(deadLetterTopic !== undefined && { deadLetterTopic }),
    ...(many !== undefined && {
      bulkSubscribe: { enabled: true, maxMessagesCount: many.maxMessages, maxAwaitDurationMs: many.maxAwaitMs },
    }),
  };
}

function json(status: number, value: unknown): InvocationAnswer {
  return { status, headers: ['content-type', 'application/json'], body: Buffer.from(JSON.stringify(value)) };
}

function valueOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((key, i) => i % 2 === 0 && key === name);
  return at < 0 ? undefined : headers[at + 1];
}
