/** Every status that an instance of a workflow may have, as it is written in all APIs. */
export const workflowStatuses = ['RUNNING', 'PENDING', 'SUSPENDED', 'STALLED', 'COMPLETED', 'FAILED', 'TERMINATED', 'CANCELED'] as const;

export type WorkflowStatus = (typeof workflowStatuses)[number];
