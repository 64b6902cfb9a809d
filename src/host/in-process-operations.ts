import type { JobInfo } from '../blocks/jobs/index.ts';
import type { Blocks } from '../blocks/runtime/index.ts';
import { bytesBody, collect, collectSoon, emptyBody } from '../kernel/body.ts';
import { createCall, type Caller, type Outcome } from '../kernel/call.ts';
import { CancelScope } from '../kernel/cancel.ts';
import { emptyContext, withValue } from '../kernel/context.ts';
import { limits } from '../kernel/limits.ts';
import type { Service } from '../kernel/service.ts';
import { isTraceparent, noTrace, traceKey } from '../kernel/trace-context.ts';
import type { Asking, Operations, PlainJob } from '../sdk/operations.ts';
import { jsonOfValue, valueOfJson } from '../wire/grpc/any-json.ts';

const graceMs = 5_000;

/** The blocks of this process as the operations of an app: each question is one call, from start to end. */
export function createInProcessOperations(blocks: Blocks, caller: Caller, close: () => Promise<void>): Operations {
  const { state, pubsub, secrets, configuration, lock, crypto, jobs, runtime, actors } = blocks;
  const ask =
    <In, Out>(block: string, name: string, service: Service<In, Out>) =>
    (input: In, asking: Asking): Promise<Out> =>
      run(caller, { block, name, service, input }, asking);
  const invoke = ask('invoke', 'call', blocks.invoke.call);
  const callActor = ask('actors', 'invoke', actors.invoke);
  const encrypt = ask('crypto', 'encrypt', crypto.encrypt);
  const decrypt = ask('crypto', 'decrypt', crypto.decrypt);
  const subscribe = ask('configuration', 'subscribe', configuration.subscribe);
  const unsubscribe = ask('configuration', 'unsubscribe', configuration.unsubscribe);
  return {
    state: {
      get: ask('state', 'get', state.get),
      bulkGet: ask('state', 'bulk_get', state.bulkGet),
      save: ask('state', 'set', state.save),
      delete: ask('state', 'delete', state.delete),
      bulkDelete: ask('state', 'bulk_delete', state.bulkDelete),
      transact: ask('state', 'transaction', state.transact),
      query: ask('state', 'query', state.query),
    },
    publish: ask('pubsub', 'publish', pubsub.publish),
    bulkPublish: ask('pubsub', 'bulk_publish', pubsub.bulkPublish),
    async subscribe(spec, receive) {
      const end = await pubsub.subscribeStream(spec, { event: ({ input }) => receive(input) });
      return () => end(graceMs);
    },
    async invoke({ appId, path, httpMethod, query, headers, body: bytes }, asking) {
      const body = bytes.length === 0 ? emptyBody : bytesBody(bytes);
      const input = { appId, namespace: caller.namespace, path, httpMethod, query, headers, body, replayable: true };
      const { status, headers: answered, body: answer } = await invoke(input, asking);
      return { status, headers: answered, body: await collectSoon(answer, limits.bodyBytes) };
    },
    actors: {
      async invoke(input, asking) {
        const { status, headers, data } = await callActor({ ...input, httpMethod: 'POST', query: '' }, asking);
        return { status, headers, body: data };
      },
      getState: ask('actors', 'get_state', actors.getState),
      transact: ask('actors', 'transaction', actors.transact),
      registerReminder: ask('actors', 'register_reminder', actors.registerReminder),
      unregisterReminder: ask('actors', 'unregister_reminder', actors.unregisterReminder),
      registerTimer: ask('actors', 'register_timer', actors.registerTimer),
      unregisterTimer: ask('actors', 'unregister_timer', actors.unregisterTimer),
    },
    bindings: ask('bindings', 'invoke', blocks.bindings.invoke),
    secrets: { get: ask('secrets', 'get', secrets.get), bulkGet: ask('secrets', 'bulk_get', secrets.bulkGet) },
    configuration: {
      get: ask('configuration', 'get', configuration.get),
      async subscribe(query, changed) {
        const id = await subscribe({ ...query, push: (_id, items) => changed(items) }, untimed());
        return async () => {
          await unsubscribe({ store: query.store, id }, untimed());
        };
      },
    },
    lock: { tryLock: ask('lock', 'try_lock', lock.tryLock), unlock: ask('lock', 'unlock', lock.unlock) },
    jobs: jobOperations(jobs, ask),
    crypto: {
      encrypt: async ({ data, ...rest }, asking) => collect(await encrypt({ ...rest, data: bytesBody(data) }, asking), limits.bodyBytes),
      decrypt: async ({ data, ...rest }, asking) => collect(await decrypt({ ...rest, data: bytesBody(data) }, asking), limits.bodyBytes),
    },
    workflows: blocks.workflow,
    metadata: () => Promise.resolve(runtime.metadata()),
    putMetadata: (key, value) => Promise.resolve(runtime.putMetadata(key, value)),
    close,
  };
}

type Ask = <In, Out>(block: string, name: string, service: Service<In, Out>) => (input: In, asking: Asking) => Promise<Out>;

function jobOperations(jobs: Blocks['jobs'], ask: Ask): Operations['jobs'] {
  const schedule = ask('jobs', 'schedule', jobs.schedule);
  const get = ask('jobs', 'get', jobs.get);
  const list = ask('jobs', 'list', jobs.list);
  return {
    async schedule({ job: { json, ...job }, overwrite }, asking) {
      const data = json === undefined ? {} : { data: await valueOfJson(json) };
      await schedule({ job: { ...job, ...data }, overwrite }, asking);
    },
    get: async (input, asking) => plainJob(await get(input, asking)),
    list: async (input, asking) => Promise.all((await list(input, asking)).map(plainJob)),
    delete: ask('jobs', 'delete', jobs.delete),
    deleteByPrefix: ask('jobs', 'delete_by_prefix', jobs.deleteByPrefix),
  };
}

async function plainJob({ data, ...job }: JobInfo): Promise<PlainJob> {
  const json = data === undefined ? undefined : await jsonOfValue(data);
  return { ...job, ...(json !== undefined && { json }) };
}

function untimed(): Asking {
  return { cancel: new CancelScope(), deadlineMs: Infinity, traceparent: '' };
}

interface Asked<In, Out> {
  readonly block: string;
  readonly name: string;
  readonly service: Service<In, Out>;
  readonly input: In;
}

function run<In, Out>(caller: Caller, { block, name, service, input }: Asked<In, Out>, asking: Asking): Promise<Out> {
  const { cancel, deadlineMs, traceparent } = asking;
  const context = isTraceparent(traceparent) ? withValue(emptyContext, traceKey, { ...noTrace, traceparent }) : emptyContext;
  const call = createCall({ block, name, idempotent: false }, input, { caller, cancel, deadlineMs, context });
  return service(call).then(
    (output) => {
      call.end.fire(succeeded);
      return output;
    },
    (error: unknown) => {
      call.end.fire({ ok: false, error });
      throw error;
    },
  );
}

const succeeded: Outcome = { ok: true };
