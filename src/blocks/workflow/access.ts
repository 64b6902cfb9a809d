import type { Engine } from '../../contracts/engine.ts';
import type { WorkflowAccessRule, WorkflowOperation } from '../../contracts/workflow-access.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { ProaError } from '../../kernel/errors.ts';
import { globMatches } from '../../kernel/glob.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Core } from './core.ts';
import type { AppScope } from './keys.ts';

/** What another app wants of this one. */
export interface AccessRequest {
  readonly caller: AppScope;
  readonly kind: 'workflow' | 'activity';
  readonly operation: WorkflowOperation;
  /** Undefined: of whichever name; then some rule must allow the operation. */
  readonly name: string | undefined;
}

/** All that is ever said about a refusal: it does not tell what is there. */
export const deniedText = 'access denied by workflow access policy';

const bytesMax = 512 * 1024;

/**
 * Stores the rules of an app where everybody finds them who acts on its workflows: the owners of its instances, and runtimes of other apps. Undefined: there is no policy. Durable when
 * answered. Fails with `config.invalid` when they are too many.
 */
export async function publishAccess(engine: Engine, key: Key, rules: readonly WorkflowAccessRule[] | undefined): Promise<void> {
  const value = rules === undefined ? undefined : Buffer.from(JSON.stringify(rules), 'utf8');
  if (value !== undefined && value.length > bytesMax)
    throw new ProaError('config.invalid', `the WorkflowAccessPolicies of an app take at most ${bytesMax} bytes together`);
  const entry = await engine.get(key);
  if (value === undefined ? entry === undefined : entry !== undefined && Buffer.compare(entry.value, value) === 0) return;
  const result = await engine.commit(value === undefined ? { delete: [key] } : { put: [{ key, value }] });
  if (result.status === 'unknown') throw outcomeUnknown('workflow access policies may or may not be in effect', result.cause);
}

/** Whether the policies of `core`'s app let another app do something. Its own app may do everything; without a policy so may everybody. Counted. */
export async function isAllowed(core: Core, request: AccessRequest): Promise<boolean> {
  const { caller, kind, operation } = request;
  if (caller.appId === core.self.appId && caller.namespace === core.self.namespace) return true;
  const entry = await core.engine.get(core.keys.access);
  if (entry === undefined) return true;
  const rules = JSON.parse(Buffer.from(entry.value).toString('utf8')) as readonly WorkflowAccessRule[];
  const allowed = caller.namespace === core.self.namespace && rules.some((rule) => allows(rule, request));
  core.metrics.access(caller.appId, operation, { kind, allowed });
  return allowed;
}

function allows({ callers, workflows, activities }: WorkflowAccessRule, { caller, kind, operation, name }: AccessRequest): boolean {
  if (!callers.includes(caller.appId)) return false;
  const fits = (pattern: string): boolean => name === undefined || globMatches(pattern, name);
  if (kind === 'activity') return activities.some(fits);
  return workflows.some((entry) => entry.operations.includes(operation) && fits(entry.name));
}
