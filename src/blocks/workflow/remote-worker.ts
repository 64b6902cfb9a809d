import type {
  ActivityAnswer,
  ActivityTask,
  HistoryEvent,
  Stall,
  Turn,
  TurnAnswer,
  WorkflowAction,
  WorkflowWorker,
} from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';

/** What a worker at the other end of a stream is told. Everything is JSON. */
export type ToWorker =
  /** The first message: larger ones than that are not read. */
  | { readonly kind: 'ready'; readonly messageBytesMax: number }
  /** A turn without its past: that is asked for by whoever does not have it. */
  | { readonly kind: 'turn'; readonly token: number; readonly turn: Omit<Turn, 'past'> }
  | { readonly kind: 'activity'; readonly token: number; readonly task: Omit<ActivityTask, 'heartbeat'> }
  /** A part of what was asked for by `past`. */
  | { readonly kind: 'past'; readonly token: number; readonly events: readonly HistoryEvent[]; readonly last: boolean }
  /** The answer to a sign of life. */
  | { readonly kind: 'beat'; readonly token: number; readonly wanted: boolean }
  | { readonly kind: 'forget'; readonly instanceId: string };

/** What it says. */
export type FromWorker =
  | {
      readonly kind: 'hello';
      readonly workflows?: readonly string[];
      readonly activities?: readonly string[];
      readonly turnsMax: number;
      readonly activitiesMax: number;
      /** As in the contract of workers. */
      readonly keeps?: boolean;
    }
  | { readonly kind: 'turn'; readonly token: number; readonly answer: TurnAnswer }
  | { readonly kind: 'activity'; readonly token: number; readonly answer: ActivityAnswer }
  | { readonly kind: 'failed'; readonly token: number; readonly message: string }
  | { readonly kind: 'past'; readonly token: number }
  | { readonly kind: 'beat'; readonly token: number; readonly details?: string }
  /** It takes nothing new; what it has it answers. */
  | { readonly kind: 'drain' };

export interface RemoteWorker {
  readonly worker: WorkflowWorker;
  /** Takes what the other side says. Fails with `bad-request` for what is none of these messages. */
  receive(message: FromWorker): void;
  /** The stream has ended: nothing is answered any more. */
  end(): void;
}

interface Open {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: ProaError) => void;
  readonly past?: () => Promise<readonly HistoryEvent[]>;
  readonly beat?: (details?: string) => Promise<void>;
}

const pastCharsMax = 512 * 1024;

/** A worker at the other end of a stream, which began with `hello`. Histories are sent only when they are asked for. Fails with `bad-request` for another beginning. */
export function createRemoteWorker(hello: FromWorker, send: (message: ToWorker) => void): RemoteWorker {
  if (hello?.kind !== 'hello' || !isCount(hello.turnsMax) || !isCount(hello.activitiesMax))
    throw new ProaError('bad-request', 'a work stream begins with who works');
  const open = new Map<number, Open>();
  let tokens = 0;
  let draining = false;
  const ask = <Answer>(make: (token: number) => ToWorker, more: Pick<Open, 'past' | 'beat'>): Promise<Answer> => {
    const token = ++tokens;
    return new Promise<Answer>((resolve, reject) => {
      open.set(token, { resolve, reject, ...more });
      send(make(token));
    });
  };
  return {
    worker: {
      ...(hello.workflows !== undefined && { workflows: namesOf(hello.workflows) }),
      ...(hello.activities !== undefined && { activities: namesOf(hello.activities) }),
      get turnsMax() {
        return draining ? 0 : hello.turnsMax;
      },
      get activitiesMax() {
        return draining ? 0 : hello.activitiesMax;
      },
      keeps: hello.keeps === true,
      turn: ({ past, ...turn }) => ask((token) => ({ kind: 'turn', token, turn }), { past }),
      activity: ({ heartbeat, ...task }) => ask((token) => ({ kind: 'activity', token, task }), { beat: heartbeat }),
      forget: (instanceId) => send({ kind: 'forget', instanceId }),
    },
    receive(message) {
      if (message?.kind === 'drain') draining = true;
      else receive(message, { open, send });
    },
    end() {
      for (const { reject } of open.values()) reject(new ProaError('unavailable', 'the worker went away'));
      open.clear();
    },
  };
}

interface Parts {
  readonly open: Map<number, Open>;
  readonly send: (message: ToWorker) => void;
}

function receive(message: FromWorker, { open, send }: Parts): void {
  const token = (message as { readonly token?: unknown } | null)?.token;
  if (typeof token !== 'number') throw new ProaError('bad-request', 'a message of a worker is none');
  const asked = open.get(token);
  // An answer to what another worker has by now.
  if (asked === undefined) return;
  switch (message.kind) {
    case 'past':
      void sendPast(asked, { token, send });
      return;
    case 'beat':
      void asked.beat?.(message.details).then(
        () => send({ kind: 'beat', token, wanted: true }),
        () => send({ kind: 'beat', token, wanted: false }),
      );
      return;
    case 'turn':
    case 'activity':
      open.delete(token);
      if (message.kind === 'turn' ? isTurnAnswer(message.answer) : isActivityAnswer(message.answer)) asked.resolve(message.answer as never);
      else asked.reject(new ProaError('bad-request', 'the answer of a worker is none'));
      return;
    case 'failed':
      open.delete(token);
      asked.reject(new ProaError('unknown', String(message.message)));
      return;
    default:
      throw new ProaError('bad-request', 'a message of a worker is none');
  }
}

async function sendPast(asked: Open, { token, send }: { readonly token: number; readonly send: Parts['send'] }): Promise<void> {
  try {
    const events = (await asked.past?.()) ?? [];
    for (const { part, last } of portions(events)) send({ kind: 'past', token, events: part, last });
  } catch (error) {
    asked.reject(ProaError.from(error));
  }
}

/** Events in portions that fit into messages; at least one, which may be empty. */
export function* portions(events: readonly HistoryEvent[]): Generator<{ readonly part: readonly HistoryEvent[]; readonly last: boolean }> {
  let part: HistoryEvent[] = [];
  let chars = 0;
  for (const event of events) {
    const size = JSON.stringify(event).length;
    if (part.length > 0 && chars + size > pastCharsMax) {
      yield { part, last: false };
      [part, chars] = [[], 0];
    }
    part.push(event);
    chars += size;
  }
  yield { part, last: true };
}

function namesOf(names: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw new ProaError('bad-request', 'names of a worker are texts');
  return new Set(names);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

const types = new Set<WorkflowAction['type']>([
  'scheduleTask',
  'createChild',
  'createTimer',
  'sendEvent',
  'complete',
  'terminate',
  'versionNotAvailable',
  'createDetached',
  'record',
]);
const texts = [
  'name',
  'version',
  'input',
  'taskExecutionId',
  'instanceId',
  'retryParent',
  'result',
  'newVersion',
  'reason',
  'value',
  'executionId',
];

// Whoever writes a worker of his own may get the forms wrong; what they mean is checked by the block.
function isTurnAnswer(answer: TurnAnswer): boolean {
  const fits = typeof answer === 'object' && answer !== null && Array.isArray(answer.actions) && answer.actions.every(isAction);
  if (!fits) return false;
  const { customStatus, attributes, version, stalled } = answer;
  return (
    (customStatus === undefined || typeof customStatus === 'string') &&
    (attributes === undefined || isTexts(attributes)) &&
    (version === undefined || typeof version === 'object') &&
    (stalled === undefined || isStall(stalled))
  );
}

function isStall({ reason, description, divergence }: Stall): boolean {
  const told = typeof reason === 'string' && typeof description === 'string';
  return told && (divergence === undefined || isTexts(divergence));
}

function isAction(action: unknown): boolean {
  if (typeof action !== 'object' || action === null) return false;
  const fields = action as Readonly<Record<string, unknown>>;
  if (!types.has(fields['type'] as never) || !Number.isInteger(fields['id'])) return false;
  if (!texts.every((name) => fields[name] === undefined || typeof fields[name] === 'string')) return false;
  const named =
    fields['type'] === 'scheduleTask' ||
    fields['type'] === 'createChild' ||
    fields['type'] === 'createDetached' ||
    fields['type'] === 'sendEvent';
  if (named && typeof fields['name'] !== 'string') return false;
  if (fields['options'] !== undefined && !isOptions(fields['options'])) return false;
  return fields['type'] !== 'createTimer' || typeof fields['fireAtMs'] === 'number';
}

function isOptions(options: unknown): boolean {
  if (typeof options !== 'object' || options === null) return false;
  return Object.values(options).every((value) => typeof value === 'number' && Number.isFinite(value) && value >= 0);
}

function isActivityAnswer(answer: ActivityAnswer): boolean {
  if (typeof answer !== 'object' || answer === null) return false;
  if (!('failure' in answer)) return answer.result === undefined || typeof answer.result === 'string';
  return typeof answer.failure?.errorType === 'string' && typeof answer.failure.errorMessage === 'string';
}

function isTexts(value: object): boolean {
  return value !== null && Object.values(value).every((text) => typeof text === 'string');
}
