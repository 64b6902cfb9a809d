/** Status codes of gRPC but OK. */
export type GrpcCode =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/** `safe`: may be repeated. `never`: repeating cannot help. `unknown`: it may have happened; repeat only what is idempotent. */
export type RetryClass = 'safe' | 'never' | 'unknown';

/** What is fixed about an error. */
export interface ErrorSpec {
  readonly errorCode: string;
  readonly reason?: string;
  readonly http: number;
  readonly grpc: GrpcCode;
  readonly retry: RetryClass;
  readonly category: string;
  readonly title: string;
  readonly hint?: string;
}

/** One row of the catalogue. */
export function spec(
  errorCode: string,
  http: number,
  grpc: GrpcCode,
  more: { category: string; title: string } & Partial<ErrorSpec>,
): ErrorSpec {
  return { errorCode, http, grpc, retry: 'never', ...more };
}
