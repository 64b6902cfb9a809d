import { nearestOf } from '../contracts/component-set.ts';
import type { ComponentQuestion, ExplainedComponent, ExplainedOperations } from '../contracts/admin.ts';
import type { DriverKind } from '../contracts/driver.ts';
import type { Target } from '../contracts/governance.ts';
import { ProaError } from '../kernel/errors.ts';
import { operationsNamed } from '../mesh/policy/rule-set.ts';
import type { ComponentResource } from './config/model.ts';
import { explainedLayer, layersFor, type GovernOptions } from './govern.ts';

interface Governed {
  readonly block: string;
  readonly directions: readonly Target['direction'][];
}

const outbound: readonly Target['direction'][] = ['outbound'];
const both: readonly Target['direction'][] = ['outbound', 'inbound'];
// Middleware is part of the HTTP pipelines and name resolution of balancing: neither has a stack of its own.
const governed: Readonly<Record<DriverKind, Governed | undefined>> = {
  state: { block: 'state', directions: outbound },
  pubsub: { block: 'pubsub', directions: both },
  bindings: { block: 'bindings', directions: both },
  secretstores: { block: 'secrets', directions: outbound },
  configuration: { block: 'configuration', directions: both },
  lock: { block: 'lock', directions: outbound },
  crypto: { block: 'crypto', directions: outbound },
  middleware: undefined,
  nameresolution: undefined,
};

/** The stacks around a component of `components`. Fails with `not-found` when it is not there, and with `bad-request` when it is of a kind without stacks. */
export function explainComponent(
  govern: GovernOptions,
  components: readonly ComponentResource[],
  { component: name, operation }: ComponentQuestion,
): ExplainedComponent {
  const component = components.find((each) => each.name === name);
  if (component === undefined) throw unknown(name, components, govern.appId);
  const { kind, type } = component;
  const of = governed[kind];
  if (of === undefined) throw new ProaError('bad-request', `component "${name}" is of type ${type}: no stack is around it`);
  const { epoch } = govern.book;
  const stacks = of.directions.flatMap((direction) => {
    const target = { block: of.block, name, componentType: type, direction };
    const asked =
      operation === undefined ? [undefined, ...operationsNamed(epoch.document.rules, { ...target, operation: '' })] : [operation];
    return asked.map((each): ExplainedOperations => {
      const layers = layersFor(govern, { ...target, operation: each ?? '' }).map(explainedLayer);
      return { direction, ...(each !== undefined && { operation: each }), layers };
    });
  });
  return { app: govern.appId, epoch: epoch.number, component: name, type, stacks };
}

function unknown(name: string, components: readonly ComponentResource[], appId: string): ProaError {
  return new ProaError('not-found', `app "${appId}" has no component "${name.slice(0, 100)}"`, nearestOf(name, components));
}
