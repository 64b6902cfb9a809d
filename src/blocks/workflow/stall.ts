import type { Stall } from '../../contracts/workflow.ts';
import type { LogFields } from '../../kernel/log.ts';
import { beginningOf } from '../../kernel/flat-text.ts';
import { logFields } from '../../kernel/names.ts';

const descriptionCharsMax = 16 * 1024;
const namedCharsMax = 512;

/** What is stored of a stall: it is part of a record that is rewritten with every turn, and stays in memory as long as the stall. */
export function keptStall({ reason, description, divergence }: Stall): Stall {
  const kept = { reason, description: beginningOf(description, descriptionCharsMax) };
  if (divergence === undefined) return kept;
  const named = Object.entries(divergence).map(([name, text]) => [name, beginningOf(text, namedCharsMax)]);
  return { ...kept, divergence: Object.fromEntries(named) };
}

/** A stall in a log: by its parts for machines, with both paths on lines of their own for people. */
export function stallFields(instanceId: string, { reason, description, divergence }: Stall): LogFields {
  const [first = '', ...more] = description.split('\n');
  return {
    [logFields.workflowInstance]: instanceId,
    [logFields.reason]: reason,
    [logFields.error]: first,
    ...(divergence?.recorded !== undefined && { [logFields.recorded]: divergence.recorded }),
    ...(divergence?.asked !== undefined && { [logFields.asked]: divergence.asked }),
    ...(divergence?.source !== undefined && { [logFields.source]: divergence.source }),
    ...(more.length > 0 && { [logFields.details]: more }),
  };
}
