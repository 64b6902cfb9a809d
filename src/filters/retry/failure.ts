import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { GrpcCode } from '../../kernel/catalogue.ts';
import { grpcNumber } from '../../kernel/status.ts';

/** How an attempt failed: by an error, or by an answer that counts as a failure. */
export interface Failure {
  readonly error: ProaError | undefined;
  /** 0 to 16: gRPC; 100 to 599: HTTP; undefined: the failure has no code. */
  readonly code: number | undefined;
  /** What the other side said about when, or (-1) whether, to come again. */
  readonly retryAfterMs: number | undefined;
}

/** What repeating cannot change: the request is wrong, refused, or in conflict with what is there. */
const permanent: ReadonlySet<GrpcCode> = new Set<GrpcCode>([
  'CANCELLED',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'DATA_LOSS',
]);

/**
 * An error as a failure. `coded` says whether its catalogue code counts as a status of the target (calls to apps: yes; components have no
 * codes, and what has none is always worth a repetition, Dapr reference 10.4).
 */
export function failureOfError(thrown: unknown, coded: boolean): Failure {
  const error = ProaError.from(thrown);
  const status = error.details?.metadata?.['status'];
  const after = error.details?.metadata?.['retryAfterMs'];
  const code = status !== undefined ? Number(status) : coded ? grpcNumber(error.spec.grpc) : undefined;
  return { error, code: Number.isInteger(code) ? code : undefined, retryAfterMs: after === undefined ? undefined : Number(after) };
}

/** True when no repetition can help, whatever the policy says: an open breaker, a refusal, a wrong request. */
export function isPermanent({ error }: Failure): boolean {
  if (error === undefined || !isProaError(error)) return false;
  if (error.code === 'circuit-open') return true;
  return error.details?.metadata?.['status'] === undefined && permanent.has(error.spec.grpc);
}
