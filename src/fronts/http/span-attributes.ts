import type { ActiveSpan } from '../../blocks/runtime/index.ts';
import { spanAttributes } from '../../kernel/names.ts';
import { invokeTarget } from './invoke-target.ts';
import type { Match } from './router.ts';

/** What a span says of its request. */
export interface DescribedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  header(name: string): string | undefined;
}

/** What a call is about, as far as spans tell: `name` is a component's, `topic` only that of publishing. */
export interface DescribedTarget {
  readonly block: string;
  readonly name: string;
  readonly topic: string;
  /** What is asked of a component: method and path, or the full gRPC method. */
  readonly statement: string;
}

const stores = new Set(['state', 'secrets', 'bindings']);
// A caller's credentials are no business of whoever reads traces.
const credentials = new Set(['dapr-api-token']);

/** The attributes that Dapr gives to calls of components (reference 14.4). */
export function describeTarget(span: ActiveSpan, { block, name, topic, statement }: DescribedTarget): void {
  if (stores.has(block)) {
    span.set(spanAttributes.dbSystem, block);
    span.set(spanAttributes.dbName, name);
    span.set(spanAttributes.dbStatement, statement);
    span.set(spanAttributes.dbConnectionString, block);
  } else if (block === 'pubsub') {
    span.set(spanAttributes.messagingSystem, block);
    span.set(spanAttributes.messagingDestination, topic);
  }
}

/** Names a span after the invocation that it is about. */
export function describeInvocation(span: ActiveSpan, appId: string, method: string): void {
  span.rename(`CallLocal/${appId}/${method}`);
  span.set(spanAttributes.rpcService, 'ServiceInvocation');
  span.set(spanAttributes.netPeerName, appId);
  span.set(spanAttributes.invokeMethod, method);
}

/** Headers and metadata of the caller that are meant for the runtime. */
export function describeHeaders(span: ActiveSpan, headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (name.startsWith('dapr-') && !credentials.has(name)) span.set(name, headers[i + 1] as string);
  }
}

/** Says on a sampled span what the request was about. The query is left out: metadata in it may be secret. */
export function describeRequest(span: ActiveSpan, request: DescribedRequest, match: Match | 'bad-escape' | undefined): void {
  const { method, path } = request;
  const statement = `${method} ${path}`;
  span.set(spanAttributes.protocol, 'http');
  span.set(spanAttributes.api, statement);
  span.set(spanAttributes.httpMethod, method);
  describeHeaders(span, request.headers);
  describeServer(span, request.header('host') ?? '', path);
  if (typeof match === 'object') {
    const { params, route } = match;
    const name = params['store'] ?? params['name'] ?? '';
    describeTarget(span, { block: route.operation.block, name, topic: params['topic'] ?? '', statement });
    return;
  }
  const target = match === undefined ? invokeTarget(path, request) : undefined;
  if (target !== undefined) describeInvocation(span, target.appId, target.rawMethod);
}

// `host`, `host:port` and `[v6]:port`.
function describeServer(span: ActiveSpan, host: string, path: string): void {
  const found = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host);
  if (found === null || found[1] === '') return;
  span.set(spanAttributes.url, `http://${host}${path}`);
  span.set(spanAttributes.serverAddress, (found[1] as string).replaceAll(/[[\]]/g, ''));
  span.set(spanAttributes.serverPort, Number(found[2] ?? 80));
}
