import type { Service } from '../kernel/service.ts';

/** What a stack is compiled for: one operation of one component, or one app. */
export interface Target {
  readonly block: string;
  /** Component name, or app id. */
  readonly name: string;
  readonly operation: string;
  readonly direction: 'inbound' | 'outbound';
  /** Component type as in YAML, when there is one. */
  readonly componentType?: string;
}

/**
 * Puts the layers that policy, telemetry and limits ask for around a service. `host` supplies it; blocks call it once per target and keep the result, so that a
 * request never looks policy up. Without policies it is the identity.
 */
export type Govern = <In, Out>(target: Target, service: Service<In, Out>) => Service<In, Out>;

/** Adds nothing; tests of blocks use it. */
export const ungoverned: Govern = (_target, service) => service;
