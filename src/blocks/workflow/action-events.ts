import type {
  HistoryEvent,
  ParentInstance,
  Router,
  StartedEvent,
  TraceParent,
  WorkflowAction,
  WorkflowInstance,
} from '../../contracts/workflow.ts';
import type { AppScope } from './keys.ts';
import type { Header } from './header.ts';
import type { Address, Letter } from './mail.ts';

/** What events of actions are made from. */
export interface EventMaker {
  readonly header: Header;
  readonly self: AppScope & WorkflowInstance;
  /** The next time of this instance's history. */
  readonly stamp: () => number;
  readonly newExecution: () => string;
  /** The span that activities and children belong to. */
  readonly trace?: TraceParent;
}

type Of<Type extends WorkflowAction['type']> = Extract<WorkflowAction, { readonly type: Type }>;

/** `<parent>:<id as four hex digits>`: the same however often a turn is executed. */
export function childId(parent: string, id: number): string {
  return `${parent}:${id.toString(16).padStart(4, '0')}`;
}

/** The event that an action leaves in the history, with the action's id; undefined for actions that leave none. */
export function actionEvent(action: WorkflowAction, maker: EventMaker): HistoryEvent | undefined {
  const base = { id: action.id, timeMs: maker.stamp(), ...routed(action.router, maker) };
  const trace = maker.trace === undefined ? {} : { trace: maker.trace };
  switch (action.type) {
    case 'scheduleTask': {
      const { id: _id, router: _router, type: _type, ...task } = action;
      return { ...task, ...base, type: 'taskScheduled', ...trace };
    }
    case 'createChild': {
      const { id: _id, router: _router, type: _type, instanceId: _instanceId, ...child } = action;
      return { ...child, ...base, type: 'childCreated', instanceId: idOfChild(action, maker), ...trace };
    }
    case 'createTimer': {
      const { id: _id, router: _router, type: _type, ...timer } = action;
      return { ...timer, ...base, type: 'timerCreated' };
    }
    case 'sendEvent':
      return { ...base, type: 'eventSent', instanceId: action.instanceId, name: action.name, ...input(action.input) };
    case 'createDetached':
      return { ...base, type: 'detachedCreated', instanceId: action.instanceId };
    case 'record':
      return { ...base, type: 'recorded', name: action.name, ...(action.value !== undefined && { value: action.value }) };
    case 'complete':
    case 'terminate':
    case 'versionNotAvailable':
      return undefined;
  }
}

/** What an action sends to another instance. */
export function letterOf(action: WorkflowAction, maker: EventMaker): Letter | undefined {
  switch (action.type) {
    case 'createChild': {
      const instanceId = idOfChild(action, maker);
      const started = { ...startOf(action, instanceId, maker), parent: parentOf(action.id, maker) };
      return { to: addressOf(action, instanceId, maker.self), event: startedEvent(started, maker) };
    }
    case 'createDetached': {
      const { tags, scheduledStartMs } = action;
      const more = { ...(tags !== undefined && { tags }), ...(scheduledStartMs !== undefined && { scheduledStartMs }) };
      const started = { ...startOf(action, action.instanceId, maker), ...more };
      return { to: addressOf(action, action.instanceId, maker.self), event: startedEvent(started, maker), detached: true };
    }
    case 'sendEvent': {
      const event: HistoryEvent = { type: 'eventRaised', id: -1, timeMs: maker.stamp(), name: action.name, ...input(action.input) };
      return { to: addressOf(action, action.instanceId, maker.self), event };
    }
    case 'terminate': {
      const { reason, recurse } = action;
      const event: HistoryEvent = { type: 'executionTerminated', id: -1, timeMs: maker.stamp(), ...input(reason), recurse };
      return { to: addressOf(action, action.instanceId, maker.self), event };
    }
    default:
      return undefined;
  }
}

/** The history's first event of its kind. */
export function startedEvent(started: StartedEvent, { stamp }: Pick<EventMaker, 'stamp'>): HistoryEvent {
  return { type: 'executionStarted', id: -1, timeMs: stamp(), ...started };
}

function startOf(action: Of<'createChild'> | Of<'createDetached'>, instanceId: string, maker: EventMaker): StartedEvent {
  const executionId =
    'executionId' in action && action.executionId !== undefined && action.executionId !== '' ? action.executionId : maker.newExecution();
  return {
    name: action.name,
    ...(action.version !== undefined && { version: action.version }),
    ...input(action.input),
    instance: { instanceId, executionId },
    ...(maker.trace !== undefined && { trace: maker.trace }),
  };
}

function parentOf(taskScheduledId: number, { header, self }: EventMaker): ParentInstance {
  return {
    taskScheduledId,
    instanceId: self.instanceId,
    executionId: header.execution,
    name: header.name,
    ...(header.version !== undefined && { version: header.version }),
    appId: self.appId,
    appNamespace: self.namespace,
  };
}

function idOfChild(action: Of<'createChild'>, { self }: EventMaker): string {
  return action.instanceId === undefined || action.instanceId === '' ? childId(self.instanceId, action.id) : action.instanceId;
}

/** An instance where a router says, or at home; `self` is the app that asks. */
export function addressOf({ router }: { readonly router?: Router }, instanceId: string, self: AppScope): Address {
  return { namespace: router?.targetAppNamespace ?? self.namespace, appId: router?.targetAppId ?? self.appId, instanceId };
}

// The source is what the runtime knows, never what a worker says. An operation that stays at home needs no router.
function routed(router: Router | undefined, { self }: EventMaker): { router?: Router } {
  if (router?.targetAppId === undefined && router?.targetAppNamespace === undefined) return {};
  return { router: { ...router, sourceAppId: self.appId } };
}

function input(value: string | undefined): { input?: string } {
  return value === undefined ? {} : { input: value };
}
