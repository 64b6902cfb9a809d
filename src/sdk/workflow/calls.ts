import { splitAppName } from '../../kernel/app-name.ts';
import { ProaError } from '../../kernel/errors.ts';
import { propagationScopes, type Router } from '../../contracts/workflow.ts';
import { checked } from '../contract.ts';
import { attempts } from './attempts.ts';
import type { CallOptions, DetachedOptions } from './context.ts';
import type { ActivityDefinition, Callable, WorkflowReference } from './definition.ts';
import { type Duration, durationMs } from './duration.ts';
import type { Execution } from './execution.ts';
import type { NewAction, Outcome } from './operation.ts';
import { childAgainLabel, childLabel, sendLabel, startLabel } from './journal.ts';
import { once, retryPolicy } from './retry-policy.ts';
import type { Seeds } from './seeds.ts';
import { engineOptions, handled, nextLabel, valueOf, type RunState } from './steps.ts';
import { encodeValue } from './values.ts';

/** `ctx.call`, `ctx.start` and `ctx.send`: what reaches other instances and apps. */
export function createCalls(state: RunState, seeds: Seeds) {
  const { execution } = state;
  function call(target: Callable<unknown, unknown>, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const perform = async (): Promise<unknown> => {
      const known = callable(target);
      const what = `the input of ${known.kind} "${known.name}"`;
      // Awaited only when there is something to check: without it the operation is there when the call returns.
      if (known.input !== undefined) await checked(known.input, input, { what, code: 'bad-request' });
      const text = encodeValue(input, what);
      const asked: Asked = { target: known, input: text, options, from: call };
      return valueOf(await (known.kind === 'activity' ? callActivity(state, asked) : callWorkflow(execution, asked)));
    };
    return handled(perform());
  }
  function start(target: WorkflowReference<unknown, unknown>, input?: unknown, options: DetachedOptions = {}): string {
    const { name, version, app } = callable(target);
    const instanceId = options.instanceId ?? seeds.uuid('start');
    const text = encodeValue(input, `the input of workflow "${name}"`);
    const { startAt, tags } = options;
    const when = startAt === undefined ? {} : { scheduledStartMs: timeOf(startAt, execution) };
    const more = { ...versioned(version), ...given(text), ...routed(app), ...when, ...(tags !== undefined && { tags }) };
    execution.note(startLabel, { type: 'createDetached', instanceId, name, ...more }, start);
    return instanceId;
  }
  function send(instanceId: string, event: string, payload?: unknown, { app }: Pick<CallOptions, 'app'> = {}): void {
    const text = encodeValue(payload, `the payload of event "${event}"`);
    execution.note(sendLabel(event), { type: 'sendEvent', instanceId, name: event, ...given(text), ...routed(app) }, send);
  }
  return { call, start, send };
}

function timeOf(startAt: Date | Duration, { clockMs }: Execution): number {
  const ms = startAt instanceof Date ? startAt.getTime() : clockMs + durationMs(startAt, 'startAt');
  if (Number.isFinite(ms)) return ms;
  throw new ProaError('bad-request', 'startAt is no time');
}

interface Asked {
  readonly target: Callable<unknown, unknown>;
  readonly input: string | undefined;
  readonly options: CallOptions;
  readonly from: (...args: never[]) => unknown;
}

function callable<C extends Pick<Callable<unknown, unknown>, 'kind'>>(target: C): C {
  const kind: unknown = (target as C | undefined)?.kind;
  if (kind === 'workflow' || kind === 'activity') return target;
  throw new ProaError('bad-request', 'ctx.call takes a workflow or an activity', {
    hint: 'define it with workflow(...) or activity(...); what another app has is workflowOf(app, name) or activityOf(app, name)',
  });
}

function callActivity(state: RunState, { target, input, options, from }: Asked): Promise<Outcome> {
  const { name, app } = target;
  const { retry, timeoutMs, heartbeatMs } = target as Partial<ActivityDefinition<unknown, unknown>>;
  const what = `activity "${name}"`;
  const label = nextLabel(state, 'call', name);
  const timeout = options.timeout ?? timeoutMs;
  const heartbeat = options.heartbeat ?? heartbeatMs;
  const limits = engineOptions({ ...(timeout !== undefined && { timeout }), ...(heartbeat !== undefined && { heartbeat }) }, what);
  const action: NewAction = {
    ...{ type: 'scheduleTask', name, taskExecutionId: label },
    ...handing(options),
    ...given(input),
    ...routed(options.app ?? app),
    ...(limits !== undefined && { options: limits }),
  };
  // The function runs where the history is not: it is told which attempt it is.
  const numbered = (n: number): NewAction => (n === 1 ? action : { ...action, options: { ...limits, attempt: n } });
  return attempts(state.execution, {
    policy: retryPolicy(options.retry ?? retry ?? state.retry, what),
    label,
    origin: () => ({ kind: 'activityRetry', taskExecutionId: label }),
    from,
    attempt: (n) => state.execution.operation(label, numbered(n), { from }),
  });
}

function callWorkflow(execution: Execution, { target, input, options, from }: Asked): Promise<Outcome> {
  const { name, version, app } = target;
  const what = `workflow "${name}"`;
  const label = childLabel(name);
  const timeoutMs = options.timeout === undefined ? undefined : durationMs(options.timeout, `the timeout of ${what}`);
  const route = routed(options.app ?? app);
  let first = '';
  const attempt = (n: number): Promise<Outcome> => {
    let instanceId = n === 1 ? options.instanceId : undefined;
    const action: NewAction = {
      ...{ type: 'createChild', name },
      ...handing(options),
      ...versioned(version),
      ...given(input),
      ...route,
      ...(instanceId !== undefined && { instanceId }),
      ...(n > 1 && { retryParent: first }),
    };
    const opened = (id: number): void => {
      instanceId ??= `${execution.instance.instanceId}:${id.toString(16).padStart(4, '0')}`;
      if (n === 1) first = instanceId;
    };
    const outcome = execution.operation(n === 1 ? label : childAgainLabel(first), action, { opened, from });
    if (timeoutMs === undefined) return outcome;
    return within(execution, outcome, {
      name: `timeout ${label}`,
      timeoutMs,
      late: () =>
        execution.aside({ type: 'terminate', instanceId: instanceId as string, recurse: true, reason: 'it took too long', ...route }),
      message: `${what} was not done within ${timeoutMs} ms`,
    });
  };
  return attempts(execution, {
    policy: options.retry === undefined ? once : retryPolicy(options.retry, what),
    label,
    origin: () => ({ kind: 'childWorkflowRetry', instanceId: first }),
    from,
    attempt,
  });
}

interface Limit {
  readonly name: string;
  readonly timeoutMs: number;
  readonly late: () => void;
  readonly message: string;
}

function within(execution: Execution, outcome: Promise<Outcome>, { name, timeoutMs, late, message }: Limit): Promise<Outcome> {
  const fireAtMs = execution.clockMs + timeoutMs;
  const timer = execution.operation(`timer ${name}`, { type: 'createTimer', name, fireAtMs }, { aside: true });
  return new Promise((resolve, reject) => {
    let done = false;
    const end = (): boolean => {
      const first = !done;
      done = true;
      return first;
    };
    outcome.then((value) => end() && resolve(value), reject);
    timer.then(() => {
      if (!end()) return;
      late();
      resolve({ failure: { errorType: 'deadline-exceeded', errorMessage: message } });
    }, reject);
  });
}

function handing({ history }: CallOptions): { readonly propagation?: number } {
  if (history === undefined) return {};
  if (history === 'own' || history === 'lineage') return { propagation: propagationScopes[history] };
  throw new ProaError('bad-request', `the history that ctx.call hands on is 'own' or 'lineage', not ${JSON.stringify(history)}`);
}

function given(input: string | undefined): { readonly input?: string } {
  return input === undefined ? {} : { input };
}

function versioned(version: string | number | undefined): { readonly version?: string } {
  return version === undefined ? {} : { version: String(version) };
}

function routed(app: string | undefined): { readonly router?: Router } {
  if (app === undefined) return {};
  const { appId, namespace } = splitAppName(app);
  return { router: { targetAppId: appId, ...(namespace !== undefined && { targetAppNamespace: namespace }) } };
}
