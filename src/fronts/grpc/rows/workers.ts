import { createRemoteWorker, portions, type FromWorker, type ToWorker, type WorkflowBlock } from '../../../blocks/workflow/index.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { decodeJson, encodeJson } from '../../../wire/grpc/json-method.ts';
import type { MessageWriter } from '../../../wire/grpc/message-writer.ts';
import type { Method, ServerCall } from '../../../wire/grpc/method.ts';

const service = '/proa.workflow.v1.Workflows';
const json = { decode: decodeJson, encode: encodeJson };

/** Calls that answer at once or after a while: their name, and the list of what they get. */
const asked: Readonly<Record<string, (block: WorkflowBlock, given: never[], call: ServerCall) => Promise<unknown>>> = {
  start: (block, [request]) => block.start(request as never),
  get: (block, [id, payloads]) => block.get(id as never, payloads as never),
  wait: (block, [id, until], call) => block.wait(id as never, until as never, call.cancel),
  raise: (block, [id, name, input]) => block.raise(id as never, name as never, input ?? undefined),
  terminate: (block, [id, output, recursive]) => block.terminate(id as never, output ?? undefined, recursive as never),
  suspend: (block, [id, reason]) => block.suspend(id as never, reason ?? undefined),
  resume: (block, [id, reason]) => block.resume(id as never, reason ?? undefined),
  purge: (block, [id, options]) => block.purge(id as never, options as never),
  purgeWhere: (block, [filter, recursive]) => block.purgeWhere(filter as never, recursive as never),
  list: (block, [filter, page]) => block.list(filter as never, page as never),
  rerun: (block, [source, eventId, options]) => block.rerun(source as never, eventId as never, options as never),
};

/** What Proa's own SDK asks of workflows beside a sidecar: the contract of workers and the block itself, in JSON. */
export function workerMethods(block: WorkflowBlock, messageBytesMax: number): Method[] {
  return [
    {
      path: `${service}/Ask`,
      kind: 'unary',
      ...json,
      async handle(request, call) {
        const { name, given, app } = (request ?? {}) as { readonly name?: string; readonly given?: unknown; readonly app?: string };
        const run = name !== undefined && Object.hasOwn(asked, name) ? asked[name] : undefined;
        if (run === undefined || !Array.isArray(given)) throw new ProaError('bad-request', 'nothing that workflows can be asked');
        return { answer: await run(ofApp(block, app), given as never[], call) };
      },
    },
    {
      path: `${service}/History`,
      kind: 'server_streaming',
      ...json,
      async handle(request, _call, out) {
        const { instanceId, app } = (request ?? {}) as { readonly instanceId?: string; readonly app?: string };
        for (const { part } of portions(await ofApp(block, app).history(String(instanceId)))) await out.write({ events: part });
      },
    },
    {
      path: `${service}/Work`,
      kind: 'bidi_streaming',
      ...json,
      handle: (requests, call, out) => work(block, { requests, call, out, messageBytesMax }),
    },
  ];
}

function ofApp(block: WorkflowBlock, app: string | undefined): WorkflowBlock {
  return app === undefined ? block : block.of(String(app), undefined);
}

interface Stream {
  readonly requests: AsyncIterable<unknown>;
  readonly call: ServerCall;
  readonly out: MessageWriter<unknown>;
  readonly messageBytesMax: number;
}

// The worker is there as long as its stream is.
async function work(block: WorkflowBlock, { requests, call, out, messageBytesMax }: Stream): Promise<void> {
  const messages = requests[Symbol.asyncIterator]() as AsyncIterator<FromWorker>;
  const first = await messages.next();
  if (first.done === true) return;
  let sent: Promise<void> = Promise.resolve();
  const send = (message: ToWorker): void => {
    // One after another; a stream that takes no more is at its end, which the reading side is told.
    sent = sent.then(() => out.write(message)).catch(() => {});
  };
  const remote = createRemoteWorker(first.value, send);
  send({ kind: 'ready', messageBytesMax });
  const detach = block.attach(remote.worker);
  const stop = call.cancel.onCancel(() => detach());
  try {
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) remote.receive(next.value);
  } finally {
    stop();
    detach();
    remote.end();
  }
}
