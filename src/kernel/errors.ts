import { catalogue, type ErrorCode, type ErrorSpec } from './catalogue.ts';

const brand = Symbol.for('proa.error');

/** What a detail of a newer error holds; fronts print it as ErrorInfo, ResourceInfo and BadRequest (Dapr reference 8.1). */
export interface ErrorDetails {
  /** Replaces the catalogue's ErrorInfo reason. */
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly resource?: { readonly type: string; readonly name: string; readonly owner?: string; readonly description?: string };
  readonly violations?: readonly { readonly field: string; readonly description: string }[];
}

/**
 * Which runtime refused a call before the target itself was asked: that of the caller (a full bulkhead, an open breaker, a limit of its own) or that of the
 * callee (its limits, admission, access control). Such an error says nothing about whether the target works.
 */
export type RefusedAt = 'caller' | 'callee';

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** Replaces the catalogue's hint: what to do next, in one sentence. */
  readonly hint?: string;
  /** Set by the layers that refuse; absent: the target failed, or the way to it did. */
  readonly refusedAt?: RefusedAt | undefined;
}

/**
 * The only error that crosses a boundary inside Proa. `message` says what happened and where; `code` fixes statuses, wire codes
 * and whether a retry can help. Compare with `isProaError`, never with `instanceof`: two copies of the package may meet.
 */
export class ProaError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;
  readonly hint: string | undefined;
  readonly refusedAt: RefusedAt | undefined;
  readonly [brand] = true;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ProaError';
    this.code = code;
    this.details = options.details;
    this.hint = options.hint ?? (catalogue[code] as ErrorSpec).hint;
    this.refusedAt = options.refusedAt;
  }

  get spec(): ErrorSpec {
    return catalogue[this.code];
  }

  /** The one conversion of a boundary: a ProaError stays what it is, anything else becomes `fallback` with the thing as its cause. */
  static from(thrown: unknown, fallback: ErrorCode = 'internal'): ProaError {
    return isProaError(thrown) ? thrown : wrapped(thrown, fallback);
  }
}

// Apart: a class that names itself is renamed by the bundler, and Node prints that name for whoever does not catch the error.
function wrapped(thrown: unknown, code: ErrorCode): ProaError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ProaError(code, message, { cause: thrown });
}

/** True for a ProaError of any copy of this package. */
export function isProaError(thrown: unknown): thrown is ProaError {
  return typeof thrown === 'object' && thrown !== null && (thrown as Record<symbol, unknown>)[brand] === true;
}
