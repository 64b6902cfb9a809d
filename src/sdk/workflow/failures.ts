import { catalogue, type ErrorCode } from '../../kernel/catalogue.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { FailureDetails } from '../../contracts/workflow.ts';

const causesMax = 8;
const stackCharsMax = 4_096;
const messageCharsMax = 16_384;

/** Statuses that say that the question was wrong: asking again gives the same answer. */
const hopeless = new Set([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
]);

/** What was thrown, as a history keeps it: codes of ProaErrors, names of other errors, causes. */
export function failureOf(thrown: unknown, depth = 0): FailureDetails {
  const error = thrown instanceof Error || isProaError(thrown) ? thrown : new Error(String(thrown));
  const cause = error.cause;
  return {
    errorType: isProaError(error) ? error.code : error.name || 'Error',
    errorMessage: error.message.slice(0, messageCharsMax),
    ...(error.stack !== undefined && { stackTrace: error.stack.slice(0, stackCharsMax) }),
    ...(cause !== undefined && depth < causesMax && { innerFailure: failureOf(cause, depth + 1) }),
    ...(isHopeless(error) && { isNonRetriable: true }),
  };
}

/** Whether trying again cannot help: a ProaError that says that the question was wrong. */
function isHopeless(error: unknown): boolean {
  return isProaError(error) && hopeless.has(error.spec.grpc);
}

/** The error of a recorded failure: the ProaError that it was, else one of `code` whose cause has the name, the message and the stack of the original. */
export function errorOf(failure: FailureDetails, code: ErrorCode = 'workflow.step-failed'): ProaError {
  const { errorType, errorMessage, stackTrace, innerFailure } = failure;
  const inner = innerFailure === undefined ? undefined : causeOf(innerFailure);
  if (errorType in catalogue) return new ProaError(errorType as ErrorCode, errorMessage, inner === undefined ? {} : { cause: inner });
  return new ProaError(code, errorMessage, { cause: named(errorType, { errorMessage, stackTrace, inner }) });
}

function causeOf(failure: FailureDetails): Error {
  const { errorType, errorMessage, stackTrace, innerFailure } = failure;
  const inner = innerFailure === undefined ? undefined : causeOf(innerFailure);
  if (errorType in catalogue) return new ProaError(errorType as ErrorCode, errorMessage, inner === undefined ? {} : { cause: inner });
  return named(errorType, { errorMessage, stackTrace, inner });
}

interface Told {
  readonly errorMessage: string;
  readonly stackTrace: string | undefined;
  readonly inner: Error | undefined;
}

function named(errorType: string, { errorMessage, stackTrace, inner }: Told): Error {
  const error = new Error(errorMessage, inner === undefined ? undefined : { cause: inner });
  error.name = errorType;
  if (stackTrace !== undefined) error.stack = stackTrace;
  return error;
}
