import type { FromWorker, ToWorker } from '../../blocks/workflow/index.ts';
import type { HistoryEvent, WorkflowWorker } from '../../contracts/workflow.ts';
import { CancelScope, type Cancellation } from '../../kernel/cancel.ts';
import { jsonMethod } from '../../wire/grpc/json-method.ts';
import type { GrpcLink } from '../grpc-link.ts';
import type { Operations } from '../operations.ts';
import type { WorkflowOperations } from './client.ts';
import { createWorkStream } from './work-stream.ts';

const service = '/proa.workflow.v1.Workflows';
const askMethod = jsonMethod<{ readonly name: string; readonly given: readonly unknown[] }, { readonly answer?: unknown }>(
  `${service}/Ask`,
);
const historyMethod = jsonMethod<{ readonly instanceId: string; readonly app?: string }, { readonly events: readonly HistoryEvent[] }>(
  `${service}/History`,
);
const workMethod = jsonMethod<FromWorker, ToWorker>(`${service}/Work`);
const backoffMs = { first: 200, longest: 5_000 };
const drainMs = 10_000;

/** The workflows of a runtime beside this process: contract and block in JSON over gRPC. */
export function createRemoteWorkflows(link: GrpcLink): Operations['workflows'] {
  return { ...operationsOf(link, undefined), attach: (worker) => keepWorking(link, worker) };
}

function operationsOf(link: GrpcLink, appId: string | undefined): WorkflowOperations {
  const whose = appId === undefined ? {} : { app: appId };
  const ask = async <Answer>(name: string, given: readonly unknown[], cancel: Cancellation = new CancelScope()): Promise<Answer> => {
    const { answer } = await link.unary(askMethod, { name, given, ...whose }, { cancel, deadlineMs: Infinity, traceparent: '' });
    return answer as Answer;
  };
  return {
    start: (request) => ask('start', [request]),
    get: async (...given) => (await ask('get', given)) ?? undefined,
    wait: (instanceId, until, cancel) => ask('wait', [instanceId, until], cancel),
    raise: (...given) => ask('raise', given),
    terminate: (...given) => ask('terminate', given),
    suspend: (...given) => ask('suspend', given),
    resume: (...given) => ask('resume', given),
    purge: (...given) => ask('purge', given),
    purgeWhere: (...given) => ask('purgeWhere', given),
    list: (...given) => ask('list', given),
    rerun: (...given) => ask('rerun', given),
    async history(instanceId) {
      const stream = await link.stream(historyMethod, { cancel: new CancelScope(), deadlineMs: Infinity, traceparent: '' });
      await stream.write({ instanceId, ...whose });
      stream.end();
      const all: HistoryEvent[] = [];
      for await (const { events } of stream) all.push(...events);
      return all;
    },
    of: (other) => operationsOf(link, other),
  };
}

// The stream is opened again until the worker is let go: the runtime may start later, or anew.
function keepWorking(link: GrpcLink, worker: WorkflowWorker): () => void {
  const { clock } = link;
  let scope = new CancelScope();
  let stopped = false;
  let failures = 0;
  let timer: { cancel(): void } | undefined;
  let current: ReturnType<typeof createWorkStream> | undefined;
  const run = async (): Promise<void> => {
    scope = new CancelScope();
    try {
      const stream = await link.stream(workMethod, { cancel: scope, deadlineMs: Infinity, traceparent: '' });
      current = createWorkStream(worker, (message) => stream.write(message));
      for await (const message of stream) {
        failures = 0;
        current.receive(message);
      }
    } catch {
      failures++;
    }
    // What it held is somebody else's by now.
    current?.end();
    current = undefined;
    if (stopped) return;
    timer = clock.timer(Math.min(backoffMs.longest, backoffMs.first * 2 ** Math.min(failures, 10)), () => void run(), true);
  };
  let running = run();
  const close = async (): Promise<void> => {
    if (stopped) return running;
    stopped = true;
    disown();
    timer?.cancel();
    const idle = current?.drain() ?? Promise.resolve();
    const late = new Promise<void>((resolve) => {
      const limit = clock.timer(drainMs, resolve, true);
      void idle.then(() => limit.cancel());
    });
    running = Promise.race([idle, late]).then(() => scope.cancel(new Error('the worker was let go')));
    return running;
  };
  const disown = link.own(close);
  return () => void close();
}
