import type { FromWorker, ToWorker } from '../../blocks/workflow/index.ts';
import type { HistoryEvent, WorkflowWorker } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';

/** The end of a work stream where the worker is. */
export interface WorkStream {
  receive(message: ToWorker): void;
  /** Takes nothing new; resolves when everything is answered. */
  drain(): Promise<void>;
  /** The stream is gone: what was in hand is forgotten. */
  end(): void;
}

interface InHand {
  readonly instanceId: string;
  readonly beats: ((wanted: boolean) => void)[];
  readonly part: HistoryEvent[];
  past: { readonly resolve: (events: readonly HistoryEvent[]) => void; readonly reject: (error: ProaError) => void } | undefined;
}

interface Stream {
  readonly worker: WorkflowWorker;
  readonly inHand: Map<number, InHand>;
  readonly send: (message: FromWorker) => void;
  /** The largest message that the runtime reads. */
  messageBytesMax: number;
  idle: (() => void) | undefined;
}

/** Connects a worker with a stream that has begun; says who it is first. */
export function createWorkStream(worker: WorkflowWorker, write: (message: FromWorker) => Promise<void>): WorkStream {
  const known = new Set<string>();
  let sent: Promise<void> = Promise.resolve();
  const stream: Stream = {
    worker,
    inHand: new Map(),
    // One after another. A stream that takes no more has ended, which its reader is told.
    send: (message) => void (sent = sent.then(() => write(message)).catch(() => {})),
    messageBytesMax: Infinity,
    idle: undefined,
  };
  stream.send({
    kind: 'hello',
    ...(worker.workflows !== undefined && { workflows: [...worker.workflows] }),
    ...(worker.activities !== undefined && { activities: [...worker.activities] }),
    ...(worker.keeps === true && { keeps: true }),
    turnsMax: worker.turnsMax,
    activitiesMax: worker.activitiesMax,
  });
  return {
    receive(message) {
      if (message.kind === 'turn') known.add(message.turn.instance.instanceId);
      if (message.kind === 'forget') known.delete(message.instanceId);
      receive(stream, message);
    },
    async drain() {
      stream.send({ kind: 'drain' });
      if (stream.inHand.size > 0) await new Promise<void>((resolve) => (stream.idle = resolve));
      await sent;
    },
    end() {
      const gone = new ProaError('unavailable', 'the runtime went away');
      for (const { beats, past } of stream.inHand.values()) {
        past?.reject(gone);
        for (const beat of beats) beat(false);
      }
      stream.inHand.clear();
      stream.idle?.();
      // A turn may have been kept or not: nobody can know, and the next one comes with its past.
      for (const instanceId of known) worker.forget(instanceId);
    },
  };
}

function receive(stream: Stream, message: ToWorker): void {
  switch (message.kind) {
    case 'ready':
      stream.messageBytesMax = message.messageBytesMax;
      return;
    case 'turn':
      void turn(stream, message);
      return;
    case 'activity':
      void activity(stream, message);
      return;
    case 'forget':
      stream.worker.forget(message.instanceId);
      return;
    case 'beat':
      stream.inHand.get(message.token)?.beats.shift()?.(message.wanted);
      return;
    case 'past': {
      const held = stream.inHand.get(message.token);
      held?.part.push(...message.events);
      if (message.last) held?.past?.resolve(held.part);
    }
  }
}

function take(stream: Stream, token: number, instanceId: string): InHand {
  const held: InHand = { instanceId, beats: [], part: [], past: undefined };
  stream.inHand.set(token, held);
  return held;
}

// What cannot be sent is told in its place: a message that is too large would end the stream for everybody on it.
function answer(stream: Stream, message: FromWorker & { readonly token: number }, tooLarge: (bytes: number) => FromWorker): void {
  if (!stream.inHand.delete(message.token)) return;
  const bytes = Buffer.byteLength(JSON.stringify(message));
  stream.send(bytes > stream.messageBytesMax ? tooLarge(bytes) : message);
  if (stream.inHand.size === 0) stream.idle?.();
}

async function turn(stream: Stream, { token, turn: asked }: ToWorker & { readonly kind: 'turn' }): Promise<void> {
  const held = take(stream, token, asked.instance.instanceId);
  const past = (): Promise<readonly HistoryEvent[]> =>
    new Promise((resolve, reject) => {
      held.past = { resolve, reject };
      stream.send({ kind: 'past', token });
    });
  try {
    const done = await stream.worker.turn({ ...asked, past });
    answer(stream, { kind: 'turn', token, answer: done }, (bytes) => {
      stream.worker.forget(held.instanceId);
      const description = `the answer of a turn has ${bytes} bytes, and the runtime reads ${stream.messageBytesMax}`;
      return { kind: 'turn', token, answer: { actions: [], stalled: { reason: 'payload-size', description } } };
    });
  } catch (error) {
    failed(stream, token, error);
  }
}

async function activity(stream: Stream, { token, task }: ToWorker & { readonly kind: 'activity' }): Promise<void> {
  const held = take(stream, token, task.instance.instanceId);
  const heartbeat = (details?: string): Promise<void> =>
    new Promise((resolve, reject) => {
      held.beats.push((wanted) => {
        if (wanted) resolve();
        else reject(new ProaError('workflow.task-lost', `the activity "${task.name}" is not in the hands of this worker any more`));
      });
      stream.send({ kind: 'beat', token, ...(details !== undefined && { details }) });
    });
  try {
    const done = await stream.worker.activity({ ...task, heartbeat });
    answer(stream, { kind: 'activity', token, answer: done }, (bytes) => {
      const errorMessage = `the result of "${task.name}" takes ${bytes} bytes, and the runtime reads ${stream.messageBytesMax}`;
      return { kind: 'activity', token, answer: { failure: { errorType: 'workflow.value', errorMessage, isNonRetriable: true } } };
    });
  } catch (error) {
    failed(stream, token, error);
  }
}

function failed(stream: Stream, token: number, error: unknown): void {
  const { message } = ProaError.from(error);
  const told: FromWorker = { kind: 'failed', token, message };
  answer(stream, told, () => told);
}
