import type { WorkflowBlock } from '../blocks/workflow/index.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { logFields } from '../kernel/names.ts';
import type { WorkflowAccessResource } from './config/model.ts';

/** Puts the policies of files into effect for everybody; without one everything is allowed. Fails with the engine's error, which is logged too unless `ending`. */
export async function setWorkflowAccess(
  block: Pick<WorkflowBlock, 'setAccess'>,
  policies: readonly WorkflowAccessResource[],
  log: Logger,
  ending: () => boolean = () => false,
): Promise<void> {
  try {
    await block.setAccess(policies.length === 0 ? undefined : policies.flatMap(({ rules }) => rules));
  } catch (error) {
    if (!ending()) log.error('WorkflowAccessPolicies could not be put into effect', { [logFields.error]: ProaError.from(error).message });
    throw error;
  }
}
