import { type ErrorSpec, spec } from './error-spec.ts';

/** The errors of workflows. Codes are those of Dapr's workflow API, statuses those of the work stream where both differ. */
export const workflowErrors = {
  'workflow.not-found': spec('ERR_INSTANCE_ID_NOT_FOUND', 404, 'NOT_FOUND', {
    category: 'workflow',
    title: 'No such workflow instance exists',
  }),
  'workflow.exists': spec('ERR_START_WORKFLOW', 409, 'ALREADY_EXISTS', {
    category: 'workflow',
    title: 'A workflow instance with this id exists',
    hint: 'choose another id; a finished instance is replaced once its children have finished too',
  }),
  'workflow.running': spec('ERR_PURGE_WORKFLOW', 409, 'FAILED_PRECONDITION', {
    category: 'workflow',
    title: 'A workflow instance that has not finished is not purged',
    hint: 'wait for its end, or terminate it first',
  }),
  'workflow.unfinished': spec('ERR_WORKFLOW_UNFINISHED', 409, 'FAILED_PRECONDITION', {
    category: 'workflow',
    title: 'A workflow instance that has not finished cannot be run again',
    hint: 'wait for its end, or terminate it first',
  }),
  'workflow.history-unproven': spec('ERR_WORKFLOW_HISTORY_UNPROVEN', 409, 'FAILED_PRECONDITION', {
    category: 'workflow',
    title: 'The history of the workflow instance cannot be proven',
    hint: 'histories that are signed and those that are not do not mix; see "Signed histories" in the guide to workflows',
  }),
  'workflow.stalled': spec('ERR_WORKFLOW_STALLED', 409, 'FAILED_PRECONDITION', {
    category: 'workflow',
    title: 'The workflow instance is stalled',
    hint: 'its state says why; deploy code that fits its history, or resume it once the cause is gone',
  }),
  'workflow.id-missing': spec('ERR_INSTANCE_ID_PROVIDED_MISSING', 400, 'INVALID_ARGUMENT', {
    category: 'workflow',
    title: 'No instance id was given',
  }),
  'workflow.id-invalid': spec('ERR_INSTANCE_ID_INVALID', 400, 'INVALID_ARGUMENT', {
    category: 'workflow',
    title: 'The instance id is not valid',
    hint: 'letters, digits, - and _',
  }),
  'workflow.id-too-long': spec('ERR_INSTANCE_ID_TOO_LONG', 400, 'INVALID_ARGUMENT', {
    category: 'workflow',
    title: 'The instance id is too long',
  }),
  'workflow.name-missing': spec('ERR_WORKFLOW_NAME_MISSING', 400, 'INVALID_ARGUMENT', {
    category: 'workflow',
    title: 'No workflow name was given',
  }),
  'workflow.event-name-missing': spec('ERR_WORKFLOW_EVENT_NAME_MISSING', 400, 'INVALID_ARGUMENT', {
    category: 'workflow',
    title: 'No event name was given',
  }),
  'workflow.app-id-invalid': spec('ERR_WORKFLOW_APP_ID_INVALID', 400, 'INVALID_ARGUMENT', {
    category: 'workflow',
    title: 'The app id is not valid',
  }),
  'workflow.limit': spec('ERR_WORKFLOW_LIMIT', 400, 'RESOURCE_EXHAUSTED', {
    category: 'workflow',
    title: 'A limit of workflows is exceeded',
  }),
  'workflow.event-not-found': spec('ERR_WORKFLOW_EVENT_NOT_FOUND', 404, 'NOT_FOUND', {
    category: 'workflow',
    title: 'The history has no event from which a workflow can be run again',
    hint: 'name the event of an activity, a timer or a child',
  }),
  'workflow.task-lost': spec('ERR_WORKFLOW_TASK_LOST', 409, 'ABORTED', {
    category: 'workflow',
    title: 'The activity is not in the hands of this worker any more',
  }),
  'workflow.get': spec('ERR_GET_WORKFLOW', 500, 'INTERNAL', { category: 'workflow', title: 'The workflow cannot be read', retry: 'safe' }),
  'workflow.start': spec('ERR_START_WORKFLOW', 500, 'INTERNAL', {
    category: 'workflow',
    title: 'The workflow cannot be started',
    retry: 'unknown',
  }),
  'workflow.terminate': spec('ERR_TERMINATE_WORKFLOW', 500, 'INTERNAL', {
    category: 'workflow',
    title: 'The workflow cannot be terminated',
    retry: 'safe',
  }),
  'workflow.pause': spec('ERR_PAUSE_WORKFLOW', 500, 'INTERNAL', {
    category: 'workflow',
    title: 'The workflow cannot be paused',
    retry: 'safe',
  }),
  'workflow.resume': spec('ERR_RESUME_WORKFLOW', 500, 'INTERNAL', {
    category: 'workflow',
    title: 'The workflow cannot be resumed',
    retry: 'safe',
  }),
  'workflow.raise': spec('ERR_RAISE_EVENT_WORKFLOW', 500, 'INTERNAL', {
    category: 'workflow',
    title: 'The event cannot be raised',
    retry: 'unknown',
  }),
  'workflow.purge': spec('ERR_PURGE_WORKFLOW', 500, 'INTERNAL', {
    category: 'workflow',
    title: 'The workflow cannot be purged',
    retry: 'safe',
  }),
  // as the code of workflows sees them
  'workflow.step-failed': spec('ERR_WORKFLOW_STEP', 500, 'ABORTED', {
    category: 'workflow',
    title: 'A step, an activity or a child of a workflow failed',
  }),
  'workflow.failed': spec('ERR_WORKFLOW_FAILED', 500, 'ABORTED', { category: 'workflow', title: 'The workflow failed' }),
  'workflow.terminated': spec('ERR_WORKFLOW_TERMINATED', 409, 'ABORTED', { category: 'workflow', title: 'The workflow was terminated' }),
  'workflow.rollback-failed': spec('ERR_WORKFLOW_ROLLBACK', 500, 'ABORTED', {
    category: 'workflow',
    title: 'A workflow failed, and not everything that it had done could be undone',
    hint: 'undo by hand what the message names',
  }),
  'workflow.value': spec('ERR_WORKFLOW_VALUE', 400, 'INVALID_ARGUMENT', { category: 'workflow', title: 'A value cannot be recorded' }),
  'workflow.nondeterministic': spec('ERR_WORKFLOW_NONDETERMINISTIC', 500, 'FAILED_PRECONDITION', {
    category: 'workflow',
    title: 'The code of a workflow does not fit its history',
    hint: 'between calls of ctx a workflow must do the same every time',
  }),
} as const satisfies Record<string, ErrorSpec>;
