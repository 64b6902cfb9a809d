import type { Origin, Setting } from '../kernel/origin.ts';
import type { CallRecord } from './decisions.ts';

/** One layer of a stack in words. */
export interface ExplainedLayer {
  readonly role: string;
  readonly why: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Where each parameter was written, `file:line`, or `built in`. */
  readonly origins: Readonly<Record<string, string>>;
}

/** A call that somebody asks about; it is not made. */
export interface ExplainQuestion {
  readonly caller: string;
  readonly app: string;
  readonly method: string;
  /** Canonical, without a leading slash. */
  readonly path: string;
  /** Flat name, value pairs, names in lower case. */
  readonly headers: readonly string[];
}

/** What the call passes in this runtime, outermost layer first; a half is absent when it lies in another runtime. */
export interface ExplainedStacks {
  readonly app: string;
  /** Number of the policies' version in force. */
  readonly epoch: number;
  readonly caller?: readonly ExplainedLayer[];
  readonly callee?: readonly ExplainedLayer[];
}

/** A component that somebody asks about; without an operation, all whose stacks differ. */
export interface ComponentQuestion {
  readonly component: string;
  readonly operation?: string;
}

/** What an operation of a component passes, outermost layer first. */
export interface ExplainedOperations {
  /** `outbound`: the app's calls; `inbound`: what the component delivers to the app. */
  readonly direction: 'outbound' | 'inbound';
  /** Absent: any operation that no policy names. */
  readonly operation?: string;
  readonly layers: readonly ExplainedLayer[];
}

/** The stacks of one component in this runtime. */
export interface ExplainedComponent {
  readonly app: string;
  /** Number of the policies' version in force. */
  readonly epoch: number;
  readonly component: string;
  readonly type: string;
  readonly stacks: readonly ExplainedOperations[];
}

/** A resource and its values. */
export interface ConfiguredResource {
  readonly kind: string;
  readonly name: string;
  readonly type?: string;
  readonly origin: Origin;
  readonly values: readonly Setting[];
}

/** Everything that is configured for one app. Secrets are `***`. */
export interface ConfigView {
  readonly app: string;
  readonly namespace: string;
  readonly epoch: number;
  readonly settings: readonly Setting[];
  readonly resources: readonly ConfiguredResource[];
}

/** The actors of one type that are in memory in this runtime. */
export interface ActorTypeView {
  readonly type: string;
  readonly count: number;
  /** This runtime takes part in hosting the type. */
  readonly ready: boolean;
  /** Some of them, 1,000 at most. */
  readonly ids: readonly string[];
}

/** A reminder as it stands. */
export interface ReminderView {
  readonly id: string;
  readonly name: string;
  readonly next: string;
  readonly dueTime?: string;
  readonly period?: string;
  readonly ttl?: string;
  readonly data?: unknown;
}

/** What the admin API asks about actors. Fails with the API's errors of actors. */
export interface ActorAdmin {
  types(): readonly ActorTypeView[] | Promise<readonly ActorTypeView[]>;
  reminders(type: string, id: string | undefined): Promise<readonly ReminderView[]>;
  /** The stored state, whether the actor is in memory or not: JSON as a value, else text; 1,000 keys at most. */
  state(type: string, id: string): Promise<Readonly<Record<string, unknown>>>;
  deactivate(type: string, id: string): Promise<void>;
}

/** What the admin API asks a runtime. */
export interface AdminSource {
  readonly actors: ActorAdmin;
  why(traceId: string): readonly CallRecord[] | Promise<readonly CallRecord[]>;
  explain(question: ExplainQuestion): ExplainedStacks;
  /** Fails with `not-found` when the app has no such component, and with `bad-request` for one that no stack is around. */
  explainComponent(question: ComponentQuestion): ExplainedComponent;
  config(): ConfigView;
}
