import { spec } from './error-spec.ts';

/** Errors of jobs: a part of the catalogue. */
export const jobErrors = {
  'jobs.name': spec('DAPR_SCHEDULER_JOB_NAME', 400, 'INVALID_ARGUMENT', {
    category: 'job',
    title: 'The name of a job stands in the path alone',
  }),
  'jobs.name-empty': spec('DAPR_SCHEDULER_JOB_NAME_EMPTY', 400, 'INVALID_ARGUMENT', { category: 'job', title: 'The job has no name' }),
  'jobs.empty': spec('DAPR_SCHEDULER_EMPTY', 400, 'INVALID_ARGUMENT', { category: 'job', title: 'The request holds no job' }),
  'jobs.schedule-empty': spec('DAPR_SCHEDULER_SCHEDULE_EMPTY', 400, 'INVALID_ARGUMENT', {
    category: 'job',
    title: 'The job has neither a schedule nor a due time',
  }),
  'jobs.invalid': spec('DAPR_SCHEDULER_SCHEDULE_JOB', 400, 'INVALID_ARGUMENT', { category: 'job', title: 'The job is not valid' }),
  'jobs.exists': spec('DAPR_SCHEDULER_SCHEDULE_JOB', 409, 'ALREADY_EXISTS', {
    category: 'job',
    title: 'There is a job of this name',
    hint: 'use another name, or "overwrite": true',
  }),
  'jobs.schedule': spec('DAPR_SCHEDULER_SCHEDULE_JOB', 500, 'INTERNAL', {
    category: 'job',
    title: 'The job cannot be scheduled',
    retry: 'unknown',
  }),
  'jobs.get': spec('DAPR_SCHEDULER_GET_JOB', 500, 'INTERNAL', { category: 'job', title: 'The job cannot be read' }),
  'jobs.list': spec('DAPR_SCHEDULER_LIST_JOBS', 500, 'INTERNAL', { category: 'job', title: 'The jobs cannot be listed' }),
} as const;
