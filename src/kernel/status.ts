import type { GrpcCode } from './catalogue.ts';

/** Status codes of gRPC by their number on the wire; the index is the number. */
export const grpcCodes: readonly (GrpcCode | 'OK')[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** The number of a code on the wire. */
export function grpcNumber(code: GrpcCode | 'OK'): number {
  return grpcCodes.indexOf(code);
}

/** The code of a number; numbers that no release defines mean UNKNOWN. */
export function grpcCodeOf(number: number): GrpcCode | 'OK' {
  return grpcCodes[number] ?? 'UNKNOWN';
}

const httpOfGrpc: Readonly<Record<GrpcCode | 'OK', number>> = {
  OK: 200,
  CANCELLED: 408,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  UNAUTHENTICATED: 401,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
};

/** The HTTP status under which a gRPC status is answered to HTTP callers (Dapr reference 6.2). */
export function httpFromGrpc(code: GrpcCode | 'OK'): number {
  return httpOfGrpc[code];
}

const grpcOfHttp: Readonly<Record<number, GrpcCode>> = {
  // INTERNAL and not INVALID_ARGUMENT: what an app refuses is not the mistake of the gRPC caller's own message.
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'CANCELLED',
  409: 'ALREADY_EXISTS',
  429: 'RESOURCE_EXHAUSTED',
  500: 'UNKNOWN',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** The gRPC status under which an app's HTTP status is answered to gRPC callers (Dapr reference 6.3). */
export function grpcFromHttp(status: number): GrpcCode | 'OK' {
  if (status >= 200 && status < 300) return 'OK';
  return grpcOfHttp[status] ?? 'UNKNOWN';
}
