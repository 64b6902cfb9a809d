import { type ErrorSpec, type GrpcCode, spec } from './error-spec.ts';

// Their codes came with Dapr's rich errors: code and reason are one word.
function job(code: string, http: number, grpc: GrpcCode, rest: Pick<ErrorSpec, 'title'> & Partial<ErrorSpec>): ErrorSpec {
  return spec(code, http, grpc, { category: 'job', reason: code, ...rest });
}

/** Errors of jobs: a part of the catalogue. */
export const jobErrors = {
  'jobs.name': job('DAPR_SCHEDULER_JOB_NAME', 400, 'INVALID_ARGUMENT', {
    title: 'The name of a job stands in the path alone',
  }),
  'jobs.name-empty': job('DAPR_SCHEDULER_JOB_NAME_EMPTY', 400, 'INVALID_ARGUMENT', { title: 'The job has no name' }),
  'jobs.empty': job('DAPR_SCHEDULER_EMPTY', 400, 'INVALID_ARGUMENT', { title: 'The request holds no job' }),
  'jobs.schedule-empty': job('DAPR_SCHEDULER_SCHEDULE_EMPTY', 400, 'INVALID_ARGUMENT', {
    title: 'The job has neither a schedule nor a due time',
  }),
  'jobs.invalid': job('DAPR_SCHEDULER_SCHEDULE_JOB', 400, 'INVALID_ARGUMENT', { title: 'The job is not valid' }),
  'jobs.exists': job('DAPR_SCHEDULER_SCHEDULE_JOB', 409, 'ALREADY_EXISTS', {
    title: 'There is a job of this name',
    hint: 'use another name, or "overwrite": true',
  }),
  'jobs.schedule': job('DAPR_SCHEDULER_SCHEDULE_JOB', 500, 'INTERNAL', {
    title: 'The job cannot be scheduled',
    retry: 'unknown',
  }),
  'jobs.get': job('DAPR_SCHEDULER_GET_JOB', 500, 'INTERNAL', { title: 'The job cannot be read' }),
  'jobs.list': job('DAPR_SCHEDULER_LIST_JOBS', 500, 'INTERNAL', { title: 'The jobs cannot be listed' }),
} as const;
