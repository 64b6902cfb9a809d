import { type TurnAnswer, workflowLimits, type WorkflowAction } from '../../contracts/workflow.ts';
import type { Header } from './header.ts';

/** What is wrong with an answer. `size` stalls the instance, for a limit can be raised; `shape` fails it, for its code will never say anything else. */
export interface BadAnswer {
  readonly kind: 'size' | 'shape';
  readonly text: string;
}

/** Looks an answer over before anything of it is believed (serverless reference 5.6, rule 12). */
export function checkAnswer({ actions, customStatus, attributes }: TurnAnswer): BadAnswer | undefined {
  if (actions.length > workflowLimits.actionsPerTurnMax) {
    return size(`a turn has at most ${workflowLimits.actionsPerTurnMax} actions, not ${actions.length}`);
  }
  if (customStatus !== undefined && Buffer.byteLength(customStatus) > workflowLimits.customStatusBytesMax) {
    return size(`a custom status has at most ${workflowLimits.customStatusBytesMax} bytes`);
  }
  if (attributes !== undefined && !attributesFit(attributes)) {
    return size('attributes have at most 32 entries, 128 characters per name and 512 per value');
  }
  const ids = new Set<number>();
  for (const action of actions) {
    const bad = checkAction(action) ?? repeated(action, ids);
    if (bad !== undefined) return bad;
  }
  return undefined;
}

/** What stands for an answer that means nothing: the end of its workflow. */
export function invalidAnswer(errorMessage: string): TurnAnswer {
  const failure = { errorType: 'InvalidAnswer', errorMessage, isNonRetriable: true };
  return { actions: [{ id: -1, type: 'complete', status: 'FAILED', failure }] };
}

/** Histories beyond the limits are held before they reach a worker, whose stream they would break: what is said about this one, if anything. */
export function historyTooLarge({ events, historyChars }: Pick<Header, 'events' | 'historyChars'>): string | undefined {
  const { historyEventsMax, historyBytesMax } = workflowLimits;
  if (events >= historyEventsMax) return `its history has ${events} events, more than ${historyEventsMax}`;
  return historyChars < historyBytesMax ? undefined : `its history has ${historyChars} bytes, more than ${historyBytesMax}`;
}

/** Attributes and tags are part of a record that is rewritten with every turn. */
export function attributesFit(attributes: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(attributes);
  return entries.length <= 32 && entries.every(([name, value]) => name.length <= 128 && value.length <= 512);
}

// Ids of what a later event refers to are unique; a completion of the JavaScript SDK may have any.
function repeated({ id, type }: WorkflowAction, ids: Set<number>): BadAnswer | undefined {
  if (type === 'complete' || type === 'versionNotAvailable') return undefined;
  if (ids.has(id)) return shape(`two actions have the id ${id}`);
  ids.add(id);
  return undefined;
}

function checkAction(action: WorkflowAction): BadAnswer | undefined {
  if (!Number.isInteger(action.id) || Math.abs(action.id) > 2_147_483_647) return shape(`${String(action.id)} is no action id`);
  if (action.router?.targetAppNamespace !== undefined && action.router.targetAppId === undefined) {
    return shape('an operation names a namespace without an app id');
  }
  for (const payload of payloadsOf(action)) {
    if (payload !== undefined && Buffer.byteLength(payload) > workflowLimits.payloadBytesMax) {
      return size(`a payload has at most ${workflowLimits.payloadBytesMax} bytes`);
    }
  }
  if ('name' in action && action.name !== undefined && action.type !== 'createTimer') {
    if (action.name === '') return shape(`${action.type} names nothing`);
    if (Buffer.byteLength(action.name) > workflowLimits.nameBytesMax)
      return shape(`a name has at most ${workflowLimits.nameBytesMax} bytes`);
  }
  return checkTarget(action);
}

function checkTarget(action: WorkflowAction): BadAnswer | undefined {
  if (action.type === 'createTimer') {
    return Number.isFinite(action.fireAtMs) ? undefined : shape('a timer has no time');
  }
  if (action.type === 'createDetached') {
    const { tags, scheduledStartMs = 0 } = action;
    if (!Number.isFinite(scheduledStartMs)) return shape('a detached workflow has no time to start at');
    if (tags !== undefined && !attributesFit(tags)) return shape('tags have at most 32 entries, 128 characters per name and 512 per value');
  }
  if (!('instanceId' in action) || action.instanceId === undefined) return undefined;
  if (action.instanceId === '' && action.type !== 'createChild') return shape(`${action.type} names no instance`);
  const bytes = Buffer.byteLength(action.instanceId);
  return bytes > workflowLimits.instanceIdBytesMax
    ? shape(`an instance id has at most ${workflowLimits.instanceIdBytesMax} bytes`)
    : undefined;
}

function payloadsOf(action: WorkflowAction): readonly (string | undefined)[] {
  switch (action.type) {
    case 'complete':
      return [action.result, action.failure?.errorMessage, action.failure?.stackTrace];
    case 'record':
      return [action.value];
    case 'terminate':
      return [action.reason];
    case 'scheduleTask':
    case 'createChild':
    case 'sendEvent':
    case 'createDetached':
      return [action.input];
    default:
      return [];
  }
}

function size(text: string): BadAnswer {
  return { kind: 'size', text };
}

function shape(text: string): BadAnswer {
  return { kind: 'shape', text };
}
