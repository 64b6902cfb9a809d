import type { AdminSource, ComponentQuestion, ExplainQuestion } from '../../contracts/admin.ts';
import type { Operation } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { canonicalMethod } from '../../kernel/method-path.ts';
import { jsonReply } from '../http/reply.ts';
import { route, type Route, type RouteRequest } from '../http/route.ts';
import { checkHost } from './host-check.ts';

interface Row<In> {
  /** Default: GET. */
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly name: string;
  decode(request: RouteRequest): In;
  answer(source: AdminSource, input: In): unknown;
}

function row<In>(source: AdminSource, guarded: boolean, { method = 'GET', path, name, decode, answer }: Row<In>): Route {
  const operation: Operation = { block: 'runtime', name, idempotent: true };
  return route<In, unknown>({
    methods: [method],
    path,
    name,
    group: 'proa',
    operation,
    decode(request) {
      checkHost(request.header('host'), guarded);
      return decode(request);
    },
    service: () => (call) =>
      new Promise((resolve) => {
        resolve(answer(source, call.input));
      }),
    encode: (output) => jsonReply(output),
  });
}

/** The admin API of one runtime. `guarded`: a token is asked for on every route. */
export function adminRoutes(source: AdminSource, guarded: boolean): readonly Route[] {
  return [
    row<string>(source, guarded, {
      path: '/proa/v1/why/{trace}',
      name: 'Why',
      decode: ({ params }) => traceIdOf(params['trace'] ?? ''),
      answer: async ({ why }, traceId) => ({ traceId, calls: await why(traceId) }),
    }),
    row<ExplainQuestion>(source, guarded, {
      path: '/proa/v1/explain',
      name: 'Explain',
      decode: questionOf,
      answer: ({ explain }, question) => explain(question),
    }),
    row<ComponentQuestion>(source, guarded, {
      path: '/proa/v1/explain/{component}',
      name: 'ExplainComponent',
      decode: componentOf,
      answer: ({ explainComponent }, question) => explainComponent(question),
    }),
    row<undefined>(source, guarded, {
      path: '/proa/v1/config',
      name: 'Config',
      decode: () => undefined,
      answer: ({ config }) => config(),
    }),
    ...actorRows(source, guarded),
  ];
}

interface ActorName {
  readonly type: string;
  readonly id: string;
}

function actorRows(source: AdminSource, guarded: boolean): readonly Route[] {
  const named = ({ params }: RouteRequest): ActorName => ({ type: params['type'] ?? '', id: params['id'] ?? '' });
  return [
    row<undefined>(source, guarded, {
      path: '/proa/v1/actors',
      name: 'Actors',
      decode: () => undefined,
      answer: async ({ actors }) => ({ types: await actors.types() }),
    }),
    row<{ readonly type: string; readonly id: string | undefined }>(source, guarded, {
      path: '/proa/v1/actors/{type}/reminders',
      name: 'ActorReminders',
      decode: ({ params, query }) => ({ type: params['type'] ?? '', id: query.get('id') }),
      answer: async ({ actors }, { type, id }) => ({ type, reminders: await actors.reminders(type, id) }),
    }),
    row<ActorName>(source, guarded, {
      path: '/proa/v1/actors/{type}/{id}/state',
      name: 'ActorState',
      decode: named,
      answer: async ({ actors }, { type, id }) => ({ type, id, state: await actors.state(type, id) }),
    }),
    row<ActorName>(source, guarded, {
      method: 'POST',
      path: '/proa/v1/actors/{type}/{id}/deactivate',
      name: 'DeactivateActor',
      decode: named,
      answer: async ({ actors }, { type, id }) => {
        await actors.deactivate(type, id);
        return { type, id };
      },
    }),
  ];
}

/** The id itself, or that in a whole traceparent. */
function traceIdOf(written: string): string {
  const id = (/^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/i.exec(written)?.[1] ?? written).toLowerCase();
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  throw new ProaError('bad-request', 'a trace id has 32 hexadecimal digits', { hint: 'it is the second part of the header traceparent' });
}

const headersMax = 20;

function questionOf({ query }: RouteRequest): ExplainQuestion {
  const app = query.get('app') ?? '';
  if (app === '')
    throw new ProaError('bad-request', 'the query lacks app', { hint: '/proa/v1/explain?app=orders&method=GET&path=/orders/17' });
  const method = (query.get('method') ?? 'GET').toUpperCase();
  if (!/^[A-Z]{1,20}$/.test(method)) throw new ProaError('bad-request', 'method is no HTTP method');
  const path = canonicalMethod((query.get('path') ?? '/').split('?', 1)[0] ?? '');
  if ('error' in path) throw new ProaError('bad-request', `path: ${path.error}`);
  return { app, method, path: path.path, caller: query.get('caller') ?? '', headers: headersOf(query.all('header')) };
}

const operationCharsMax = 128;

function componentOf({ params, query }: RouteRequest): ComponentQuestion {
  const operation = query.get('operation') ?? '';
  if (operation.length > operationCharsMax) throw new ProaError('bad-request', `operation has more than ${operationCharsMax} characters`);
  return { component: params['component'] ?? '', ...(operation !== '' && { operation }) };
}

function headersOf(written: readonly string[]): string[] {
  if (written.length > headersMax) throw new ProaError('bad-request', `at most ${headersMax} headers can be given`);
  return written.flatMap((each) => {
    const colon = each.indexOf(':');
    if (colon < 1) throw new ProaError('bad-request', 'a header is given as name:value');
    return [each.slice(0, colon).trim().toLowerCase(), each.slice(colon + 1).trim()];
  });
}
