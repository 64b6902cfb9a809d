/** What may be done with a workflow of another app; the names are Dapr's (serverless reference 5.15). */
export const workflowOperations = ['schedule', 'terminate', 'raise', 'pause', 'resume', 'purge', 'get', 'rerun'] as const;
export type WorkflowOperation = (typeof workflowOperations)[number];

/** One rule of a WorkflowAccessPolicy: what some other apps may do. Names are patterns (`*`, `?`). */
export interface WorkflowAccessRule {
  /** App ids, of the same namespace. */
  readonly callers: readonly string[];
  readonly workflows: readonly { readonly name: string; readonly operations: readonly WorkflowOperation[] }[];
  /** Activities that they may execute. */
  readonly activities: readonly string[];
}
