import { workflowOperations } from '../../../contracts/workflow-access.ts';
import type { WorkflowAccessResource } from '../model.ts';
import { filledText, list, object, optional, required, word, wrongValue, type Reader, type Reading } from '../shape.ts';
import { valueAt, type YamlNode } from '../yaml.ts';
import { headFields, headOf } from './head.ts';

/** Policies are stored in one value of the engine. */
const rulesMax = 200;
const entriesMax = 200;

const several = <T>(read: Reader<T>, max: number): Reader<readonly T[]> => {
  const all = list(read);
  return (node, path, reading) => {
    const items = all(node, path, reading);
    if (items === undefined || (items.length > 0 && items.length <= max)) return items;
    return wrongValue(reading, node.span, items.length === 0 ? `${path} must not be empty` : `${path} has at most ${max} entries`);
  };
};

const rule = object({
  callers: required(several(object({ appID: required(filledText) }), entriesMax)),
  workflows: optional(
    several(
      object({ name: required(filledText), operations: required(several(word(...workflowOperations), workflowOperations.length)) }),
      entriesMax,
    ),
  ),
  activities: optional(several(object({ name: required(filledText), operations: optional(several(word('schedule'), 1)) }), entriesMax)),
});

const shape = object({ ...headFields, spec: required(object({ rules: required(several(rule, rulesMax)) })) });

/** Reads a WorkflowAccessPolicy (Dapr reference 10.6). */
export function readWorkflowAccess(node: YamlNode, reading: Reading): WorkflowAccessResource | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const at = valueAt(node, 'metadata', 'name')?.span ?? node.span;
  const none = written.spec.rules.findIndex(({ workflows, activities }) => workflows === undefined && activities === undefined);
  if (none >= 0) return wrongValue(reading, at, `spec.rules[${none}] allows nothing: it needs workflows or activities`);
  const rules = written.spec.rules.map(({ callers, workflows = [], activities = [] }) => ({
    callers: callers.map(({ appID }) => appID),
    workflows,
    activities: activities.map(({ name }) => name),
  }));
  return { ...headOf(written, at), rules };
}
