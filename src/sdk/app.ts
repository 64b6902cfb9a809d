import type { AppBindingAnswer } from '../blocks/invoke/index.ts';
import type { AppBulkEvent, AppEvent, EventVerdict, SubscriptionSpec } from '../blocks/pubsub/index.ts';
import type { ConfigurationItems } from '../blocks/configuration/index.ts';
import { isProaError, ProaError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/ports.ts';
import type { ActorDefinition, ActorMethods } from './actor.ts';
import { ActorTable } from './actor-table.ts';
import { checked, type AnyContract, type EventContract, type Implementation, type OutputOf } from './contract.ts';
import { tellDropped, type TellDropped } from './dropped-events.ts';
import { readEvent, verdictOf, type EventAnswer, type EventHandler, type TopicEvent } from './event.ts';
import { fromJson, toJson } from './json.ts';
import type { InvocationAnswer } from './operations.ts';
import { fetchOf } from './app-http.ts';
import { answerOf, failureAnswer, requestOf, type AppRequest, type Received } from './request.ts';
import { heard, telling, type Told } from './told.ts';
import { PathTable } from './path-table.ts';
import { SubscriptionTable } from './subscription-table.ts';
import { checkedHandler } from './typed-client.ts';
import type { AnyActivity, AnyWorkflow } from './workflow/definition.ts';
import { WorkflowRegistry } from './workflow/registry.ts';

type Metadata = Readonly<Record<string, string>>;
export type Handler = (request: AppRequest) => unknown;

export interface SubscriptionOptions {
  /** A CEL expression over the event: this handler gets what it matches; rules are tried in the order in which they were added. */
  readonly match?: string;
  readonly metadata?: Metadata;
  readonly deadLetterTopic?: string;
}

export interface BulkOptions extends Omit<SubscriptionOptions, 'match'> {
  /** Default 100. */
  readonly maxMessages?: number;
  /** Default one second. */
  readonly maxAwaitMs?: number;
}

/** Events of one bulk; `entryId` is under what the answer names them. */
export type BulkHandler = (
  events: readonly (TopicEvent & { readonly entryId: string })[],
) => Promise<Readonly<Record<string, EventAnswer>> | void> | Readonly<Record<string, EventAnswer>> | void;

/** One run of a job. */
export interface JobRun {
  readonly name: string;
  /** What it was scheduled with: JSON as a value, else text; undefined for nothing. */
  readonly data: unknown;
}

export interface BindingInput {
  readonly name: string;
  /** JSON as a value, else text. */
  readonly data: unknown;
  readonly metadata: Metadata;
}

/** What is asked of an app, whichever way the question came. */
export interface AppCore {
  /** The actors of the app. */
  readonly actors: ActorTable;
  subscriptions(): readonly SubscriptionSpec[];
  bindings(): readonly string[];
  receive(received: Received): Promise<InvocationAnswer>;
  event(event: AppEvent): Promise<EventVerdict>;
  /** One verdict per entry. */
  bulkEvent(bulk: AppBulkEvent): Promise<ReadonlyMap<string, EventVerdict>>;
  /** Fails when the handler does, and with `not-found` for a binding that has none. */
  binding(name: string, data: Uint8Array, metadata: Metadata): Promise<AppBindingAnswer>;
  /** Fails when the handler does, and with `not-found` for a job that has none. `data`: what an HTTP app would get. */
  job(name: string, data: Uint8Array): Promise<void>;
  /** What it offers to workflows. */
  readonly workflows: WorkflowRegistry;
  configurationChanged(id: string, items: ConfigurationItems): void;
  /** Hears of changes under a subscription's id, those that came before it listened included. */
  onConfiguration(id: string, changed: (items: ConfigurationItems) => void): () => void;
}

/** An app as functions: what others invoke, the events that it takes, the bindings that it reads. The same source runs in every mode. */
export interface App extends AppCore {
  /** `path` is what others invoke, with placeholders: `orders/{id}`. What the handler answers is JSON; what it throws as a ProaError reaches the caller as one. */
  handle(path: string, handler: Handler, options?: { readonly httpMethods?: readonly string[] }): App;
  /** The app as a `fetch` handler, for whatever can host one: Hono and Next as it is, Express, Fastify and Nest by an adapter. */
  fetch(request: Request): Promise<Response>;
  /** What no handler takes goes here: the `fetch` of a Hono, Next or other handler. */
  fallback(fetch: (request: Request) => Promise<Response> | Response): App;
  subscribe<T = unknown>(pubsub: string, topic: string, handler: EventHandler<T>, options?: SubscriptionOptions): App;
  subscribeBulk(pubsub: string, topic: string, handler: BulkHandler, options?: BulkOptions): App;
  /** Takes the events of an input binding. */
  onBinding(name: string, handler: (input: BindingInput) => unknown): App;
  /** Runs the jobs of that name; `reports-*` takes all that begin with `reports-`. What it throws is tried again as the job's failure policy says. */
  onJob<T = unknown>(name: string, handler: (run: JobRun & { readonly data: T }) => unknown): App;
  /** Runs a workflow; several versions of a name may be there. Add it before the app is served. */
  workflow(definition: AnyWorkflow): App;
  /** Runs an activity for the workflows of this and other apps. Add it before the app is served. */
  activity(definition: AnyActivity): App;
  /** Hosts the actors of a definition; they need an app that runs by `serve`. */
  host<M extends ActorMethods>(definition: ActorDefinition<M>): App;
  /** Every method of a contract, its inputs and answers checked. */
  implement<C extends AnyContract>(contract: C, methods: Implementation<C, AppRequest>): App;
  /** The events of a contract's topic; what does not fit is dropped, and told (`onDropped`). */
  on<E extends EventContract>(event: E, handler: EventHandler<OutputOf<E['data']>>, options?: SubscriptionOptions): App;
}

export interface AppOptions {
  /** `APP_API_TOKEN`, for apps that something else hosts: what comes by `fetch` without it is refused. */
  readonly appToken?: string;
  /**
   * Hears what a handler threw and nobody else is told in full: in a call or an actor's turn whatever is no `ProaError`; in an event, binding or job everything.
   * `what` says in which: `the handler of "orders/17"`. Absent: written to standard error.
   */
  readonly onError?: (error: unknown, what: string) => void;
  /**
   * Hears of events that were dropped because they did not fit the contract of `on`: of the first of a topic at once, of others together, once in ten seconds.
   * Absent: a line on standard error.
   */
  readonly onDropped?: TellDropped;
}

/** An app without handlers. Adding two for the same thing is an error at once. `clock` is asked for with the first event that does not fit. */
export function createApp(options: AppOptions = {}, clock?: () => Clock): App {
  const paths = new PathTable<Handler>();
  const topics = new SubscriptionTable();
  const bindings = new Map<string, (input: BindingInput) => unknown>();
  const jobs = new Map<string, (run: JobRun) => unknown>();
  const workflows = new WorkflowRegistry();
  const configuration = configurationListeners();
  let other: ((request: Request) => Promise<Response> | Response) | undefined;
  const told = telling(options.onError);
  const actors = new ActorTable(told);
  const misfit = clock === undefined ? () => {} : tellDropped(clock, options.onDropped ?? (() => {}));
  const app: App = {
    actors,
    host(definition) {
      actors.add(definition as unknown as ActorDefinition);
      return app;
    },
    handle(path, handler, { httpMethods } = {}) {
      paths.add(path, handler, httpMethods);
      return app;
    },
    fetch: (request) => fetchOf(app, options)(request),
    fallback(fetch) {
      other = fetch;
      return app;
    },
    subscribe(pubsub, topic, handler, options = {}) {
      topics.add({ pubsub, topic, options, handler: handler as EventHandler });
      return app;
    },
    subscribeBulk(pubsub, topic, handler, options = {}) {
      topics.addBulk({ pubsub, topic, options, handler });
      return app;
    },
    onBinding(name, handler) {
      if (bindings.has(name)) throw new ProaError('config.invalid', `binding "${name}" has two handlers`);
      bindings.set(name, handler);
      return app;
    },
    onJob(name, handler) {
      if (jobs.has(name)) throw new ProaError('config.invalid', `job "${name}" has two handlers`);
      jobs.set(name, handler as (run: JobRun) => unknown);
      return app;
    },
    workflow(definition) {
      workflows.addWorkflow(definition);
      return app;
    },
    activity(definition) {
      workflows.addActivity(definition);
      return app;
    },
    workflows,
    implement(contract, methods) {
      for (const name of Object.keys(contract.methods ?? {})) app.handle(name, implemented(contract, name, methods));
      return app;
    },
    on: (event, handler, options) => app.subscribe(event.pubsub, event.topic, checkedHandler(event, handler as never, misfit), options),
    subscriptions: () => topics.specs(),
    bindings: () => [...bindings.keys()],
    receive: (received) => receive(received, { paths, other, told }),
    event: (event) => deliver(topics, event, told),
    bulkEvent: (bulk) => deliverBulk(topics, bulk, told),
    ...inputs(bindings, jobs, told),
    ...configuration,
  };
  return app;
}

/** What comes in besides calls and events. */
function inputs(
  bindings: ReadonlyMap<string, (input: BindingInput) => unknown>,
  jobs: ReadonlyMap<string, (run: JobRun) => unknown>,
  told: Told,
): Pick<AppCore, 'binding' | 'job'> {
  return {
    async binding(name, data, metadata) {
      const handler = bindings.get(name);
      if (handler === undefined) throw new ProaError('not-found', `no handler takes the binding "${name}"`);
      const what = (): string => `the handler of the binding ${JSON.stringify(name)}`;
      const answer: unknown = await heard(told, what, () => handler({ name, data: fromJson(data), metadata }));
      return answer === undefined ? {} : { data: toJson(answer, `the answer to binding "${name}"`, 'malformed-response') };
    },
    async job(name, data) {
      const handler = jobHandler(jobs, name);
      if (handler === undefined) throw new ProaError('not-found', `no handler runs the job "${name}"`);
      const what = (): string => `the handler of the job ${JSON.stringify(name)}`;
      await heard(told, what, () => handler({ name, data: data.length === 0 ? undefined : fromJson(data) }));
    },
  };
}

/** The handler of exactly that name, else that of the longest beginning. */
function jobHandler(jobs: ReadonlyMap<string, (run: JobRun) => unknown>, name: string): ((run: JobRun) => unknown) | undefined {
  let best = '';
  for (const pattern of jobs.keys()) {
    if (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)) && pattern.length > best.length) best = pattern;
  }
  return jobs.get(name) ?? jobs.get(best);
}

function implemented<C extends AnyContract>(contract: C, name: string, methods: Implementation<C, AppRequest>): Handler {
  const { app, methods: described = {} } = contract;
  const method = described[name] ?? {};
  const handler = (methods as Readonly<Record<string, ((input: unknown, request: AppRequest) => unknown) | undefined>>)[name];
  if (handler === undefined) throw new ProaError('config.invalid', `method ${name} of the contract of "${app}" has no handler`);
  return async (request) => {
    const input = await checked(method.input, request.data, { what: `the input of ${app}.${name}`, code: 'bad-request' });
    const answer = await handler(input, request);
    // Not the caller's fault, and not told in detail: the contract is this app's own.
    return checked(method.output, answer, { what: `the answer of ${app}.${name}`, code: 'malformed-response' });
  };
}

interface Receiving {
  readonly paths: PathTable<Handler>;
  readonly other: ((request: Request) => Promise<Response> | Response) | undefined;
  readonly told: Told;
}

async function receive(received: Received, { paths, other, told }: Receiving): Promise<InvocationAnswer> {
  const found = paths.find(received.path, received.httpMethod);
  const request = requestOf(received, found?.params ?? {});
  try {
    if (found !== undefined) return await answerOf(await found.value(request));
    if (other !== undefined) return await answerOf(await other(fetchRequest(received)));
    throw new ProaError('not-found', `this app has no method ${received.path}`);
  } catch (error) {
    if (!isProaError(error)) told(error, `the handler of ${JSON.stringify(received.path)}`);
    return failureAnswer(error, request.traceparent);
  }
}

function fetchRequest({ path, query, httpMethod, headers, body, cancel }: Received): Request {
  const pairs: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2)
    if (headers[i] !== 'content-length') pairs.push([headers[i] as string, headers[i + 1] as string]);
  const url = `http://app/${path.split('/').map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`;
  const bodiless = body.length === 0 || httpMethod === 'GET' || httpMethod === 'HEAD';
  return new Request(url, {
    method: httpMethod,
    headers: pairs,
    ...(bodiless ? {} : { body: Uint8Array.from(body) }),
    ...(cancel !== undefined && { signal: cancel.signal() }),
  });
}

function deliver(topics: SubscriptionTable, event: AppEvent, told: Told): Promise<EventVerdict> {
  const handler = topics.handlerAt(event.path);
  if (handler === undefined) return Promise.resolve({ status: 'drop', error: `no handler takes ${event.path}` });
  return verdictOf(() => heard(told, topicHandler(event.topic), () => handler(readEvent(event))));
}

const topicHandler = (topic: string) => (): string => `the handler of the topic ${JSON.stringify(topic)}`;

async function deliverBulk(topics: SubscriptionTable, bulk: AppBulkEvent, told: Told): Promise<ReadonlyMap<string, EventVerdict>> {
  const handler = topics.bulkAt(bulk.path);
  const { pubsub, topic, path } = bulk;
  const events = bulk.entries.map(({ entryId, event, contentType, metadata }) => {
    const raw = contentType === 'application/octet-stream';
    const read = readEvent({ path, pubsub, topic, metadata, cloudEvent: raw ? new Uint8Array(0) : event });
    return { ...read, ...(raw && { data: event, contentType }), entryId };
  });
  let answers: Readonly<Record<string, EventAnswer>> | void;
  try {
    answers =
      handler === undefined
        ? Object.fromEntries(events.map(({ entryId }) => [entryId, 'drop' as const]))
        : await heard(told, topicHandler(topic), () => handler(events));
  } catch (error) {
    const failed = await verdictOf(() => Promise.reject(error as Error));
    return new Map(events.map(({ entryId }) => [entryId, failed]));
  }
  const verdicts = events.map(async ({ entryId }) => [entryId, await verdictOf(() => answers?.[entryId])] as const);
  return new Map(await Promise.all(verdicts));
}

const earlyMax = 100;

// Over HTTP a change can arrive before the answer that tells its subscription's id.
function configurationListeners(): Pick<AppCore, 'configurationChanged' | 'onConfiguration'> {
  const listeners = new Map<string, (items: ConfigurationItems) => void>();
  const early = new Map<string, ConfigurationItems[]>();
  return {
    configurationChanged(id, items) {
      const listener = listeners.get(id);
      if (listener !== undefined) listener(items);
      else if (early.has(id) || early.size < earlyMax) early.set(id, [...(early.get(id) ?? []), items].slice(-earlyMax));
    },
    onConfiguration(id, changed) {
      listeners.set(id, changed);
      for (const items of early.get(id) ?? []) changed(items);
      early.delete(id);
      return () => listeners.delete(id);
    },
  };
}
