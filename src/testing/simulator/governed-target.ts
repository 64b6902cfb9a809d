import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { Target } from '../../contracts/governance.ts';
import { noRecords, type CallRecords } from '../../contracts/decisions.ts';
import type { AccessControl } from '../../contracts/resources.ts';
import { noTracer } from '../../contracts/tracer.ts';
import type { HttpClient } from '../../contracts/http-client.ts';
import { silentLogger } from '../../kernel/log.ts';
import { noMetrics, type Metrics } from '../../contracts/metrics.ts';
import { createSharedBreakers } from '../../filters/breaker/shared-breakers.ts';
import { createGovern, layersFor, type GovernOptions } from '../../host/govern.ts';
import { loadResources } from '../../host/config/load-resources.ts';
import type { LoadedResources } from '../../host/config/model.ts';
import { problemsToError, renderProblem } from '../../host/config/problem.ts';
import { collect, emptyBody, type Body } from '../../kernel/body.ts';
import { createCall, type Call, type Priority } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { emptyContext, withValue, type Context } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import type { Layer } from '../../kernel/stack.ts';
import { noTrace, traceKey } from '../../kernel/trace-context.ts';
import { PolicyBook } from '../../mesh/policy/book.ts';
import { createFakeClock, type FakeClock } from '../fake-clock.ts';
import { createMemoryDisk } from '../memory-disk.ts';

/** How the target behaves towards one attempt. */
export interface Scripted {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: readonly string[];
  readonly body?: Body;
  readonly error?: ProaError;
  /** How long it takes; default: answers at once. */
  readonly afterMs?: number;
  /** Never answers. */
  readonly silent?: true;
}

export interface CallOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  /** The actor that is meant, of calls to actors. */
  readonly id?: string;
  readonly caller?: string;
  readonly priority?: Priority;
  readonly deadlineMs?: number;
  /** Default: empty. */
  readonly body?: Body;
  /** Default: the call belongs to no trace. */
  readonly traceparent?: string;
}

export interface GovernedOptions {
  /** Resources, as one YAML text. */
  readonly yaml: string;
  readonly target?: Partial<Target>;
  readonly answer?: (attempt: { readonly number: number; readonly atMs: number; readonly call: Call<InvokeRequest> }) => Scripted;
  /** Told of calls that policies make of other apps. */
  readonly invoked?: (call: Call<InvokeRequest>) => void;
  /** For shared quotas. */
  readonly engine?: GovernOptions['engine'];
  /** As one process of several that serve the app. */
  readonly shared?: GovernOptions['shared'];
  /** Default: one of its own, at 0. */
  readonly clock?: FakeClock;
  /** For keys of token issuers. */
  readonly http?: HttpClient;
  /** What is remembered of calls; default: nothing. */
  readonly records?: CallRecords;
  /** Default: nothing is counted. */
  readonly metrics?: Metrics;
  /** Access control of a Configuration, and where its values stand. */
  readonly accessControl?: AccessControl;
  readonly origins?: Readonly<Record<string, string>>;
  /** What the random port draws, over and over, as fractions; default: 0.5. */
  readonly drawn?: readonly number[];
}

/** A target behind its compiled stack, on a fake clock, with a script for its answers and a transcript of what happened. */
export interface GovernedTarget {
  readonly clock: FakeClock;
  readonly lines: string[];
  /** What the event loop is said to have done so far; tests change it. */
  readonly loop: { idleMs: number; activeMs: number };
  readonly layers: readonly Layer[];
  readonly problems: readonly string[];
  /** Begins a call; how it ends stands in the transcript. */
  call(options?: CallOptions): { readonly done: Promise<string>; cancel(): void };
  /** A call whose answer is read; fails when the call does. */
  answer(options?: CallOptions): Promise<{ readonly status: number; readonly headers: readonly string[]; readonly text: string }>;
  /** Lets time pass in steps, with the work of each step done before the next. */
  pass(ms: number, stepMs?: number): Promise<void>;
  /** Other resources are in effect from now on. */
  reload(yaml: string): Promise<void>;
  transcript(): string;
}

/** Reads resources for the app `web`, as a runtime would. */
export function loadYaml(yaml: string): Promise<LoadedResources> {
  return loadResources({ disk: createMemoryDisk({ '/r/all.yaml': yaml }), paths: ['/r'], appId: 'web', drivers: {} });
}

const noEngine: GovernOptions['engine'] = {
  now: () => 0,
  get: () => Promise.reject(new ProaError('engine.unavailable', 'no engine here')),
  commit: () => Promise.reject(new ProaError('engine.unavailable', 'no engine here')),
};

function randomOf(drawn: readonly number[]): Random {
  let at = 0;
  return {
    u32: () => Math.floor((drawn[at++ % drawn.length] as number) * 2 ** 32),
    bytes: (count) => new Uint8Array(count),
    hex: (digits) => '0'.repeat(digits),
    uuid: () => '00000000-0000-4000-8000-000000000000',
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Compiles the stack of a target (the app `orders`, as its caller sees it) from resources. */
export async function governTarget(options: GovernedOptions): Promise<GovernedTarget> {
  const clock = options.clock ?? createFakeClock();
  const loaded = await loadYaml(options.yaml);
  const error = problemsToError(loaded.problems);
  if (error !== undefined) throw error;
  const book = new PolicyBook(loaded.policies);
  const target: Target = { block: 'invoke', name: 'orders', operation: 'call', direction: 'outbound', ...options.target };
  const loop = { idleMs: 0, activeMs: 0 };
  const lines: string[] = [];
  const note = (text: string): void => void lines.push(`${String(Math.round(clock.mono())).padStart(6)} ${text}`);
  const parts = partsOf(options, { clock, book, loop, note });
  let attempts = 0;
  const service = createGovern(parts)<InvokeRequest, InvokeResponse>(target, (call) => {
    const number = ++attempts;
    const scripted = options.answer?.({ number, atMs: clock.mono(), call }) ?? {};
    note(`attempt ${number}`);
    return answerOf(clock, scripted, { call, note, number });
  });
  let calls = 0;
  return {
    clock,
    lines,
    loop,
    layers: layersFor(parts, target),
    problems: loaded.problems.map(renderProblem),
    call(given = {}) {
      const name = `call ${++calls}`;
      const scope = new CancelScope();
      const call = createCall({ block: target.block, name: target.operation, idempotent: false }, requestOf(given), {
        cancel: scope,
        context: contextOf(given),
        caller: { appId: given.caller ?? 'web', namespace: '' },
        ...(given.priority !== undefined && { priority: given.priority }),
        ...(given.deadlineMs !== undefined && { deadlineMs: clock.mono() + given.deadlineMs }),
      });
      const done = ending(call, service(call), (text) => note(`${name}: ${text}`));
      return { done, cancel: () => scope.cancel(new ProaError('cancelled', 'the caller gave up')) };
    },
    async answer(given = {}) {
      const call = createCall({ block: target.block, name: target.operation, idempotent: false }, requestOf(given), {
        caller: { appId: given.caller ?? 'web', namespace: '' },
      });
      const { status, headers, body } = await service(call);
      const text = Buffer.from(await collect(body, 1e6)).toString('utf8');
      call.end.fire({ ok: status < 500, status });
      return { status, headers, text };
    },
    async pass(ms, stepMs = 10) {
      await turn();
      for (let passed = 0; passed < ms; passed += stepMs) {
        clock.advance(Math.min(stepMs, ms - passed));
        await turn();
      }
    },
    async reload(yaml) {
      book.turn((await loadYaml(yaml)).policies);
    },
    transcript: () => lines.join('\n'),
  };
}

interface Surroundings {
  readonly clock: FakeClock;
  readonly book: PolicyBook;
  readonly loop: { readonly idleMs: number; readonly activeMs: number };
  readonly note: (text: string) => void;
}

function partsOf(options: GovernedOptions, { clock, book, loop, note }: Surroundings): GovernOptions {
  return {
    clock,
    random: randomOf(options.drawn ?? [0.5]),
    metrics: options.metrics ?? noMetrics,
    tracer: noTracer,
    namespace: '',
    process: { loopTimes: () => loop },
    engine: options.engine ?? noEngine,
    shared: options.shared,
    sharedBreakers: options.shared && createSharedBreakers({ clock, news: options.shared.news, name: options.shared.name }),
    http: options.http ?? {
      request: () => Promise.reject(new ProaError('unavailable', 'no network here')),
      close: () => Promise.resolve(),
    },
    log: { ...silentLogger, warn: (message, fields) => note(`warning: ${message}: ${String(fields?.['why'])}`) },
    invoke: (call) => {
      options.invoked?.(call);
      return Promise.resolve({ status: 200, headers: ['by', call.input.appId], body: emptyBody });
    },
    accessControl: () => options.accessControl,
    origins: new Map(Object.entries(options.origins ?? {})),
    appId: 'target',
    records: options.records ?? noRecords,
    book,
  };
}

function contextOf({ traceparent }: CallOptions): Context {
  return traceparent === undefined ? emptyContext : withValue(emptyContext, traceKey, { ...noTrace, traceparent });
}

/** Ends a call as whoever made it would, and tells how it ended. */
function ending(call: Call<InvokeRequest>, answer: Promise<InvokeResponse>, tell: (text: string) => void): Promise<string> {
  return answer.then(
    ({ status }) => {
      tell(String(status));
      call.end.fire({ ok: status < 500, status });
      return String(status);
    },
    (thrown: unknown) => {
      const error = ProaError.from(thrown);
      tell(error.code);
      call.end.fire({ ok: false, error });
      return error.code;
    },
  );
}

function requestOf({
  method = 'GET',
  path = 'x',
  headers = [],
  body = emptyBody,
  id,
}: CallOptions): InvokeRequest & { readonly id?: string } {
  const request = { appId: 'orders', namespace: '', httpMethod: method, path, query: '', headers, body };
  return { ...request, replayable: body.length !== undefined, ...(id !== undefined && { id }) };
}

function answerOf(
  clock: FakeClock,
  scripted: Scripted,
  attempt: { readonly call: Call<InvokeRequest>; readonly note: (text: string) => void; readonly number: number },
): Promise<InvokeResponse> {
  const { status = 200, headers = [], body = emptyBody, error, afterMs = 0, silent } = scripted;
  const answer: InvokeResponse = { status, headers, body };
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (): void => {
      over = true;
      if (error === undefined) resolve(answer);
      else reject(error);
    };
    attempt.call.cancel.onCancel((reason) => {
      if (over) return;
      attempt.note(`attempt ${attempt.number} cancelled`);
      reject(ProaError.from(reason, 'cancelled'));
    });
    if (silent === true) return;
    if (afterMs === 0) finish();
    else clock.timer(afterMs, finish);
  });
}
