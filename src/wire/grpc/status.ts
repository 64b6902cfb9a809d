import { create, createRegistry, fromBinary, toBinary, type MessageShape } from '@bufbuild/protobuf';
import { anyPack, anyUnpack, type Any } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema, ResourceInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { catalogue, type ErrorCode, type ErrorSpec, type GrpcCode } from '../../kernel/catalogue.ts';
import { isProaError, ProaError, type ErrorDetails } from '../../kernel/errors.ts';
import { grpcCodeOf, grpcNumber } from '../../kernel/status.ts';
import { http2Codes, type HeaderList } from '../http2/http2.ts';
import { applicationMetadata, binaryText, binaryValues, decodeMessage, encodeMessage, headerValue } from './metadata.ts';

const brand: unique symbol = Symbol.for('proa.grpc.status');

/** How a call ended on the wire. `details` are those of google.rpc.Status; `metadata` the application's trailers. */
export interface GrpcStatus {
  readonly code: GrpcCode | 'OK';
  readonly message: string;
  readonly details: readonly Any[];
  readonly metadata: HeaderList;
  readonly [brand]: true;
}

/** A status that did not come from the catalogue: a remote side's, to be passed on as it is. */
export function grpcStatus(
  code: GrpcCode | 'OK',
  message = '',
  more: { details?: readonly Any[]; metadata?: HeaderList } = {},
): GrpcStatus {
  return { code, message, details: more.details ?? [], metadata: more.metadata ?? [], [brand]: true };
}

/** The remote status that an error stands for; undefined when the error is our own. */
export function remoteStatusOf(error: unknown): GrpcStatus | undefined {
  if (!isProaError(error) || typeof error.cause !== 'object' || error.cause === null) return undefined;
  return brand in error.cause ? (error.cause as GrpcStatus) : undefined;
}

const domain = 'dapr.io';
// Beside what Dapr's clients read: the code itself, for those that know it, and what to do next.
const codeHeader = 'x-proa-error';
const hintHeader = 'x-proa-hint';

/** The status of an error, with its details: those of our own have an ErrorInfo, as daprd's (Dapr reference 8.1). Foreign errors become INTERNAL. */
export function toGrpcStatus(thrown: unknown): GrpcStatus {
  const error = ProaError.from(thrown);
  const hint = error.hint === undefined ? [] : [hintHeader, encodeMessage(shorten(error.hint))];
  return grpcStatus(error.spec.grpc, error.message, { details: detailsOf(error), metadata: [codeHeader, error.code, ...hint] });
}

function detailsOf(error: ProaError): Any[] {
  const { details, spec } = error;
  // Errors from before Dapr's rich ones have no reason of their own: on gRPC their legacy code is it. What an app answered stays as it is.
  const reason = details?.reason ?? spec.reason ?? (remoteStatusOf(error) === undefined ? spec.errorCode : undefined);
  const packed: Any[] = [];
  if (reason !== undefined)
    packed.push(anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain, metadata: { ...details?.metadata } })));
  const resource = details?.resource;
  if (resource !== undefined) {
    const info = {
      resourceType: resource.type,
      resourceName: resource.name,
      owner: resource.owner ?? '',
      description: resource.description ?? '',
    };
    packed.push(anyPack(ResourceInfoSchema, create(ResourceInfoSchema, info)));
  }
  const violations = details?.violations;
  if (violations !== undefined && violations.length > 0)
    packed.push(
      anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: violations.map((violation) => ({ ...violation })) })),
    );
  return packed;
}

const codeOfGrpc: Readonly<Record<GrpcCode, ErrorCode>> = {
  CANCELLED: 'cancelled',
  UNKNOWN: 'unknown',
  INVALID_ARGUMENT: 'bad-request',
  DEADLINE_EXCEEDED: 'deadline-exceeded',
  NOT_FOUND: 'not-found',
  ALREADY_EXISTS: 'already-exists',
  PERMISSION_DENIED: 'permission-denied',
  RESOURCE_EXHAUSTED: 'overloaded',
  FAILED_PRECONDITION: 'failed-precondition',
  ABORTED: 'aborted',
  OUT_OF_RANGE: 'out-of-range',
  UNIMPLEMENTED: 'unimplemented',
  INTERNAL: 'internal',
  UNAVAILABLE: 'unavailable',
  DATA_LOSS: 'data-loss',
  UNAUTHENTICATED: 'unauthenticated',
};

const codeOfReason = new Map<string, ErrorCode>();
for (const [code, spec] of Object.entries(catalogue) as [ErrorCode, ErrorSpec][]) {
  if (spec.reason !== undefined) codeOfReason.set(`${spec.reason} ${spec.grpc}`, code);
}

const detailTypes = createRegistry(ErrorInfoSchema, ResourceInfoSchema, BadRequestSchema);

/**
 * The error of a remote status: the catalogue's code by the ErrorInfo reason if it is one of ours, else by the status code. The
 * status is its cause (`remoteStatusOf`).
 */
export function fromGrpcStatus(status: GrpcStatus): ProaError {
  const details = readDetails(status.details);
  const known = ownCode(status) ?? (details?.reason === undefined ? undefined : codeOfReason.get(`${details.reason} ${status.code}`));
  const code = known ?? (status.code === 'OK' ? 'internal' : codeOfGrpc[status.code]);
  const hint = headerValue(status.metadata, hintHeader);
  const said = details === undefined || isLegacyCode(details, catalogue[code]) ? undefined : details;
  return new ProaError(code, status.message === '' ? status.code : status.message, {
    cause: status,
    ...(known !== undefined && hint !== undefined && { hint: decodeMessage(hint) }),
    ...(said === undefined ? undefined : { details: said }),
  });
}

// Details of nothing but the legacy code say what the code says.
function isLegacyCode({ reason, metadata = {}, resource, violations }: ErrorDetails, { errorCode }: ErrorSpec): boolean {
  return reason === errorCode && Object.keys(metadata).length === 0 && resource === undefined && violations === undefined;
}

/** The code of the catalogue that a runtime or app of ours states, when it fits the status. */
export function ownCode({ code, metadata }: GrpcStatus): ErrorCode | undefined {
  const stated = headerValue(metadata, codeHeader) ?? '';
  return Object.hasOwn(catalogue, stated) && catalogue[stated as ErrorCode].grpc === code ? (stated as ErrorCode) : undefined;
}

function readDetails(details: readonly Any[]): ErrorDetails | undefined {
  let found: ErrorDetails | undefined;
  for (const detail of details) {
    const message = unpack(detail);
    if (message === undefined) continue;
    if (message.$typeName === 'google.rpc.ErrorInfo') found = { ...found, reason: message.reason, metadata: message.metadata };
    else if (message.$typeName === 'google.rpc.BadRequest')
      found = { ...found, violations: message.fieldViolations.map(({ field, description }) => ({ field, description })) };
    else {
      const { resourceType: type, resourceName: name, owner, description } = message;
      found = { ...found, resource: { type, name, owner, description } };
    }
  }
  return found;
}

type KnownDetail = MessageShape<typeof ErrorInfoSchema> | MessageShape<typeof ResourceInfoSchema> | MessageShape<typeof BadRequestSchema>;

// A detail that cannot be decoded is somebody else's mistake and must not hide the error that carried it.
function unpack(detail: Any): KnownDetail | undefined {
  try {
    return anyUnpack(detail, detailTypes) as KnownDetail | undefined;
  } catch {
    return undefined;
  }
}

const detailsHeader = 'grpc-status-details-bin';

/** The trailers that carry a status. */
export function statusTrailers(status: GrpcStatus): string[] {
  const trailers = [...status.metadata, 'grpc-status', String(grpcNumber(status.code))];
  const message = shorten(status.message);
  if (message !== '') trailers.push('grpc-message', encodeMessage(message));
  if (status.details.length > 0) {
    const whole = create(StatusSchema, { code: grpcNumber(status.code), message, details: [...status.details] });
    trailers.push(detailsHeader, binaryText(toBinary(StatusSchema, whole)));
  }
  return trailers;
}

// Peers refuse header blocks that are larger than theirs; 8 KiB is the least that clients allow. The details repeat the message.
const messageCharsMax = 1_536;

function shorten(message: string): string {
  return message.length <= messageCharsMax ? message : `${message.slice(0, messageCharsMax)}...`;
}

/** The status in a header block (trailers, or the headers of an answer without a body); undefined when there is none. */
export function readStatus(headers: HeaderList): GrpcStatus | undefined {
  const number = headerValue(headers, 'grpc-status');
  if (number === undefined) return undefined;
  const code = /^\d{1,3}$/.test(number) ? grpcCodeOf(Number(number)) : 'UNKNOWN';
  const message = decodeMessage(headerValue(headers, 'grpc-message') ?? '');
  return grpcStatus(code, message, { details: readPackedDetails(headers), metadata: applicationMetadata(headers) });
}

function readPackedDetails(headers: HeaderList): readonly Any[] {
  const [packed] = binaryValues(headers, detailsHeader);
  if (packed === undefined) return [];
  try {
    return fromBinary(StatusSchema, packed).details;
  } catch {
    return [];
  }
}

/** What an HTTP status without a gRPC status means (gRPC's "HTTP to gRPC status code mapping"). */
export function statusOfHttp(httpStatus: string | undefined): GrpcStatus {
  const codes: Readonly<Record<string, GrpcCode>> = {
    400: 'INTERNAL',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'UNIMPLEMENTED',
    429: 'UNAVAILABLE',
    502: 'UNAVAILABLE',
    503: 'UNAVAILABLE',
    504: 'UNAVAILABLE',
  };
  return grpcStatus(
    codes[httpStatus ?? ''] ?? 'UNKNOWN',
    `the peer answered HTTP status ${httpStatus ?? '(none)'} instead of a gRPC status`,
  );
}

/** What a stream means that closed with an HTTP/2 error code before a status came (gRPC over HTTP/2, "Errors"). */
export function statusOfReset(code: number): GrpcStatus {
  if (code === http2Codes.lost) return grpcStatus('UNAVAILABLE', 'the connection broke');
  if (code === http2Codes.refusedStream) return grpcStatus('UNAVAILABLE', 'the peer refused the stream');
  if (code === http2Codes.cancel) return grpcStatus('CANCELLED', 'the peer cancelled the call');
  if (code === http2Codes.enhanceYourCalm) return grpcStatus('RESOURCE_EXHAUSTED', 'the peer asks for fewer requests');
  if (code === http2Codes.inadequateSecurity) return grpcStatus('PERMISSION_DENIED', 'the peer refuses the security of the connection');
  return grpcStatus('INTERNAL', `the stream closed with HTTP/2 error ${code} before a status came`);
}
