import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Call } from '../../kernel/call.ts';
import { headerOf } from './match.ts';

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** True when a call may happen twice: its operation says so, or it is an HTTP call of an idempotent method (RFC 9110, 9.2.2) or with an `idempotency-key`. */
export function isIdempotent(call: Call<unknown>): boolean {
  const { operation, input } = call;
  if (operation.idempotent || operation.block !== 'invoke') return operation.idempotent;
  const request = input as InvokeRequest;
  return methods.has(request.httpMethod) || headerOf(request.headers, 'idempotency-key') !== undefined;
}
