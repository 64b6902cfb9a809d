import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type Concurrency,
  type Consistency,
  EtagError,
  type StateDelete,
  type StateGet,
  type StateOperation,
  type StateSet,
  type StateValue,
} from '../../contracts/state.ts';
import {
  type BulkStateItem,
  type DeleteRequestSchema,
  type GetRequestSchema,
  type GetResponse,
  type SetRequestSchema,
  StateOptions_StateConcurrency as ConcurrencyOnWire,
  StateOptions_StateConsistency as ConsistencyOnWire,
  type TransactionalStateOperationSchema,
} from '../../gen/dapr/proto/components/v1/state_pb.ts';
import { ProaError } from '../../kernel/errors.ts';

/** A read as the component gets it. */
export function getMessage({ key, metadata, consistency }: StateGet): MessageInitShape<typeof GetRequestSchema> {
  return { key, metadata: { ...metadata }, consistency: consistencyOf(consistency) };
}

/** A write as the component gets it; the time to live travels as `ttlInSeconds`. */
export function setMessage(request: StateSet): MessageInitShape<typeof SetRequestSchema> {
  const { key, data, contentType = '', ttlSeconds } = request;
  const metadata = ttlSeconds === undefined ? request.metadata : { ...request.metadata, ttlInSeconds: String(ttlSeconds) };
  return { key, value: data, contentType, metadata: { ...metadata }, ...guards(request) };
}

/** A removal as the component gets it. */
export function deleteMessage(request: StateDelete): MessageInitShape<typeof DeleteRequestSchema> {
  return { key: request.key, metadata: { ...request.metadata }, ...guards(request) };
}

/** One operation of a transaction as the component gets it. */
export function operationMessage(operation: StateOperation): MessageInitShape<typeof TransactionalStateOperationSchema> {
  if (operation.kind === 'delete') return { request: { case: 'delete', value: deleteMessage(operation) } };
  return { request: { case: 'set', value: setMessage(operation) } };
}

/** What was found. The wire knows no absence: neither bytes nor an etag means that there is nothing. */
export function valueOf({ data, etag, metadata, contentType }: GetResponse | BulkStateItem): StateValue | undefined {
  if (data.length === 0 && (etag === undefined || etag.value === '')) return undefined;
  return { data, etag: etag?.value ?? '', metadata, ...(contentType === '' ? {} : { contentType }) };
}

/**
 * A component says that an etag is wrong by a status with one violation of the field `etag`: FAILED_PRECONDITION for a mismatch,
 * INVALID_ARGUMENT for one that is none. Every other error stays what it is.
 */
export function etagErrorOf(thrown: unknown): Error {
  const error = ProaError.from(thrown);
  const violations = error.details?.violations ?? [];
  const [violation] = violations;
  if (violations.length !== 1 || violation?.field !== 'etag') return error;
  if (error.spec.grpc === 'FAILED_PRECONDITION') return new EtagError('mismatch', violation.description);
  if (error.spec.grpc === 'INVALID_ARGUMENT') return new EtagError('invalid', violation.description);
  return error;
}

interface Guarded {
  readonly etag?: string;
  readonly concurrency?: Concurrency;
  readonly consistency?: Consistency;
}

function guards({ etag, concurrency, consistency }: Guarded) {
  return {
    ...(etag === undefined ? {} : { etag: { value: etag } }),
    options: { concurrency: concurrencyOf(concurrency), consistency: consistencyOf(consistency) },
  };
}

function concurrencyOf(concurrency: Concurrency | undefined): ConcurrencyOnWire {
  if (concurrency === undefined) return ConcurrencyOnWire.CONCURRENCY_UNSPECIFIED;
  return concurrency === 'first-write' ? ConcurrencyOnWire.CONCURRENCY_FIRST_WRITE : ConcurrencyOnWire.CONCURRENCY_LAST_WRITE;
}

function consistencyOf(consistency: Consistency | undefined): ConsistencyOnWire {
  if (consistency === undefined) return ConsistencyOnWire.CONSISTENCY_UNSPECIFIED;
  return consistency === 'strong' ? ConsistencyOnWire.CONSISTENCY_STRONG : ConsistencyOnWire.CONSISTENCY_EVENTUAL;
}
