import type { Body } from '../kernel/body.ts';
import type { Call } from '../kernel/call.ts';

/** A method call that enters an actor. */
export interface ActorInvocation {
  readonly type: string;
  readonly id: string;
  readonly method: string;
  /** Of the method, in calls into the app and for access control: `actors/<type>/<id>/method/<method>`. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /** Flat name, value pairs, names in lower case. */
  readonly headers: readonly string[];
  readonly data: Uint8Array;
  /** The same as `data`, for whoever sends it on. */
  readonly body: Body;
}

/** What the actor answered. `failed`: the app reports an error of the actor in an answer that looks like success (`X-Daprerrorresponseheader`). */
export interface ActorAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly data: Uint8Array;
}

/** A reminder or timer that is due. */
export interface ActorCallback {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly dueTime: string;
  readonly period: string;
  /** JSON text. */
  readonly data?: string;
  /** Of timers. */
  readonly callback?: string;
}

/** Answer to a reminder or timer: `cancel` when it shall not come again. */
export interface ActorCallbackAnswer {
  readonly cancel: boolean;
}

/**
 * The side of an app that runs actors: behind HTTP, behind the stream that a gRPC app opened, or in this process. Every method fails with a ProaError: `actor.invoke` for what
 * the actor's code failed with, `actor.no-method`, `unavailable` when the app cannot be reached. Whoever calls ends the call.
 */
export interface ActorHost {
  invoke(call: Call<ActorInvocation>): Promise<ActorAnswer>;
  remind(call: Call<ActorCallback>): Promise<ActorCallbackAnswer>;
  timer(call: Call<ActorCallback>): Promise<ActorCallbackAnswer>;
  /** Never called for an actor that got no call before. */
  deactivate(call: Call<{ readonly type: string; readonly id: string }>): Promise<void>;
}

/** How actors of a type are run. */
export interface ActorTypeConfig {
  readonly type: string;
  /** Without a call for so long an actor is deactivated. */
  readonly idleTimeoutMs: number;
  /** How often it is looked for idle actors. */
  readonly scanIntervalMs: number;
  /** How long a turn may still take when the actor moves to another runtime. */
  readonly drainMs: number;
  readonly reentrancy: { readonly enabled: boolean; readonly stackDepthMax: number };
}
