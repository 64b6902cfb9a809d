import type { Blocks, FrontMetricsSource, Tracer } from '../../blocks/runtime/index.ts';
import { Dapr } from '../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { TaskHubSidecarService } from '../../gen/durabletask/taskhub_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import type { Caller } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Connection, Ports } from '../../kernel/ports.ts';
import type { Secret } from '../../kernel/secret.ts';
import { createTokenCheck } from '../../kernel/token-check.ts';
import { createHealth } from '../../wire/grpc/health.ts';
import { implement, type Handlers, type Method } from '../../wire/grpc/method.ts';
import { reflectionMethods } from '../../wire/grpc/reflection.ts';
import { requestHead } from '../../wire/grpc/request-head.ts';
import { createGrpcServer, type GrpcServerOptions } from '../../wire/grpc/server.ts';
import { http2Transport } from '../../wire/http2/transport.ts';
import {
  decodeGetStateRequest,
  decodeInvokeServiceRequest,
  decodePublishEventRequest,
  decodeSaveStateRequest,
  encodeEmpty,
  encodeGetStateResponse,
  encodeInvokeResponse,
} from './hot-messages.ts';
import { callHead } from './call-head.ts';
import { createFailureLog } from './failure-log.ts';
import { createServerMetrics } from './grpc-metrics.ts';
import type { GrpcFrontContext } from './row.ts';
import { actorRows } from './rows/actors.ts';
import { actorStreamRows } from './rows/actor-events.ts';
import { cryptoRows } from './rows/crypto.ts';
import { invokeRows } from './rows/invoke.ts';
import { jobRows } from './rows/jobs.ts';
import { publishRows } from './rows/publish.ts';
import { runtimeRows } from './rows/runtime.ts';
import { stateRows } from './rows/state.ts';
import { subtleCryptoRows } from './rows/subtle-crypto.ts';
import { storeRows } from './rows/stores.ts';
import { workerMethods } from './rows/workers.ts';
import { workflowRows } from './rows/workflow.ts';
import { taskHubMethods } from './taskhub/rows.ts';

interface ApiRule {
  readonly name: string;
  readonly version: string;
  readonly protocol: 'http' | 'grpc';
}

export interface GrpcFrontOptions {
  readonly ports: Pick<Ports, 'network' | 'clock' | 'process' | 'random'>;
  readonly log: Logger;
  readonly metrics: FrontMetricsSource;
  readonly tracer: Tracer;
  readonly blocks: Blocks;
  readonly caller: Caller;
  readonly apiTokens: readonly Secret[];
  readonly messageBytesMax: number;
  readonly api: { readonly allowed: readonly ApiRule[]; readonly denied: readonly ApiRule[] };
  /** Told of every error that was answered, for `spec.metrics.recordErrorCodes`. */
  readonly countError?: (error: ProaError) => void;
  /** One line per call, when API logging is on. */
  readonly apiLog?: (call: { method: string; code: string; tookMs: number; userAgent: string }) => void;
  /** Takes calls of other services for the app that their metadata names. */
  readonly proxy?: NonNullable<GrpcServerOptions['onUnknown']>;
}

export interface GrpcFront {
  /** Serves a connection that was accepted; `first` are the bytes read from it so far. */
  accept(connection: Connection, first?: Uint8Array): void;
  /** Takes no new calls and lets those under way finish. */
  drain(): Promise<void>;
}

/** The gRPC API of one app: Dapr's service, health and reflection. It takes connections that a listener accepted. */
export async function createGrpcFront(options: GrpcFrontOptions): Promise<GrpcFront> {
  const tokenFits = createTokenCheck(options.apiTokens);
  const health = createHealth([Dapr.typeName]);
  const all = daprMethods(options);
  const served = allowed(all, options.api);
  // Of our own service, but left out by `spec.api`; proxying it would lead around the list (Dapr reference 2).
  const leftOut = new Set(all.filter((method) => !served.includes(method)).map(({ path }) => path));
  const measured = createServerMetrics(options.metrics);
  const failures = createFailureLog(options.log, options.ports.clock);
  const server = await createGrpcServer({
    clock: options.ports.clock,
    transport: http2Transport(options.ports),
    messageBytesMax: options.messageBytesMax,
    methods: [...served, ...health.methods, ...reflectionMethods([Dapr, TaskHubSidecarService, Health])],
    before(call) {
      if (call.path.startsWith('/grpc.health.')) return;
      const presented = callHead(call.metadata).token;
      if (tokenFits(presented)) return;
      const why = presented === undefined ? 'missing api token in request metadata' : 'authentication error: api token mismatch';
      throw new ProaError('unauthenticated', why);
    },
    ended({ path, metadata, sentBytes, receivedBytes, tookMs }, code) {
      measured.record({ method: path, code, tookMs, sentBytes, receivedBytes });
      options.apiLog?.({ method: path, code, tookMs, userAgent: requestHead(metadata).userAgent });
    },
    failed(path, error) {
      options.countError?.(error);
      if (error.code === 'internal') failures.failed(path, error);
    },
    onUnknown(stream, headers) {
      if (!tokenFits(callHead(headers).token)) throw new ProaError('unauthenticated', 'authentication error: api token mismatch');
      if (leftOut.has(requestHead(headers).path)) throw new ProaError('unimplemented', 'requested endpoint is not available');
      return options.proxy?.(stream, headers);
    },
  });
  return {
    accept: (connection, first) => server.accept(connection, first),
    drain: () => server.close().finally(() => failures.close()),
  };
}

// The busiest calls; protobuf-es costs more than everything else of them together.
const handMade = {
  invokeService: { decode: decodeInvokeServiceRequest, encode: encodeInvokeResponse },
  publishEvent: { decode: decodePublishEventRequest, encode: encodeEmpty },
  getState: { decode: decodeGetStateRequest, encode: encodeGetStateResponse },
  saveState: { decode: decodeSaveStateRequest, encode: encodeEmpty },
};

function daprMethods(options: GrpcFrontOptions): Method[] {
  const front: GrpcFrontContext = {
    clock: options.ports.clock,
    blocks: options.blocks,
    tracer: options.tracer,
    caller: options.caller,
  };
  const rows: Handlers<typeof Dapr> = {
    ...invokeRows(front, options.messageBytesMax),
    ...stateRows(front),
    ...publishRows(front),
    ...storeRows(front),
    ...cryptoRows(front),
    ...subtleCryptoRows(front),
    ...jobRows(front),
    ...workflowRows(front),
    ...runtimeRows(front),
    ...actorRows(front),
    ...actorStreamRows(front),
  };
  return [
    ...implement(Dapr, rows, handMade),
    ...taskHubMethods(front, options.ports.random),
    ...workerMethods(options.blocks.workflow, options.messageBytesMax),
  ];
}

// Which group of `spec.api` a method belongs to (Dapr reference 7.7); methods that are in none are always allowed.
const groups: readonly (readonly [pattern: RegExp, group: string])[] = [
  [/Actor/, 'actors'],
  [/State/, 'state'],
  [/Publish/, 'publish'],
  [/SubscribeTopicEvents/, 'subscribe'],
  [/InvokeBinding/, 'bindings'],
  [/InvokeService/, 'invoke'],
  [/Secret/, 'secrets'],
  [/Configuration/, 'configuration'],
  [/TryLock/, 'lock'],
  [/Unlock/, 'unlock'],
  [/^Subtle/, 'subtlecrypto'],
  [/^Encrypt|^Decrypt/, 'crypto'],
  [/Workflow/, 'workflows'],
  [/Metadata/, 'metadata'],
  [/Jobs?/, 'jobs'],
  [/Shutdown/, 'shutdown'],
];

const versions = [
  ['Alpha1', 'v1alpha1'],
  ['Alpha2', 'v1alpha2'],
  ['Beta1', 'v1beta1'],
] as const;

function allowed(methods: readonly Method[], api: GrpcFrontOptions['api']): Method[] {
  const rules = {
    allowed: api.allowed.filter((rule) => rule.protocol === 'grpc'),
    denied: api.denied.filter((rule) => rule.protocol === 'grpc'),
  };
  const passes = (group: string, version: string): boolean => {
    const named = (rule: ApiRule): boolean => rule.name === group && rule.version.replace('v1.0', 'v1').replace('-', '') === version;
    if (rules.denied.some(named)) return false;
    return rules.allowed.length === 0 || rules.allowed.some(named);
  };
  return methods.filter((method) => {
    if (/^\/(?:TaskHubSidecarService|proa\.workflow\.v1\.Workflows)\//.test(method.path)) return passes('workflows', 'v1');
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    const group = groups.find(([pattern]) => pattern.test(name))?.[1];
    if (group === undefined) return true;
    const version = versions.find(([suffix]) => name.endsWith(suffix))?.[1] ?? 'v1';
    return passes(group, version);
  });
}
