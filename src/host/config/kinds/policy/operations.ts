import type { DriverKind } from '../../../../contracts/driver.ts';
import { closest } from '../../../../kernel/closest.ts';
import type { Reading } from '../../shape.ts';
import { valueAt } from '../../yaml.ts';
import type { ReadPolicies } from './conflicts.ts';

type Direction = 'outbound' | 'inbound';

/** What the calls of a component are named, per kind of component; of output bindings each driver has names of its own. */
export const componentOperations: Readonly<Partial<Record<DriverKind, Readonly<Record<Direction, readonly string[]>>>>> = {
  state: { outbound: ['get', 'bulk_get', 'set', 'delete', 'bulk_delete', 'transaction', 'query'], inbound: [] },
  pubsub: { outbound: ['publish', 'bulk-publish'], inbound: ['deliver', 'bulk-deliver'] },
  secretstores: { outbound: ['get', 'bulk_get'], inbound: [] },
  configuration: { outbound: ['get', 'subscribe'], inbound: ['update'] },
  lock: { outbound: ['try_lock', 'unlock'], inbound: [] },
  crypto: { outbound: ['crypto_op'], inbound: [] },
};

/** Warns about operations that the component of a policy does not have: they would match no call. */
export function checkOperations(
  policies: ReadPolicies['policies'],
  components: readonly { readonly name: string; readonly kind: DriverKind }[],
  reading: Reading,
): void {
  const kinds = new Map(components.map(({ name, kind }) => [name, kind]));
  for (const { resource, node } of policies) {
    const { target, match } = resource.rule;
    const kind = target.kind === 'component' ? kinds.get(target.component) : undefined;
    const known = kind === undefined ? undefined : componentOperations[kind];
    if (target.kind !== 'component' || known === undefined) continue;
    const names = known[target.direction];
    const wrong = match?.operations?.find((operation) => !names.includes(operation));
    if (wrong === undefined) continue;
    const guess = closest(wrong, names);
    reading.problems.push({
      severity: 'warning',
      code: 'config.unknown-target',
      message: `Policy "${resource.name}": component "${target.component}" has no operation "${wrong}" ${target.direction}`,
      at: valueAt(node, 'spec', 'match', 'operations')?.span ?? node.span,
      notes: [`known: ${names.join(', ') || 'none'}`],
      ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
    });
  }
}
