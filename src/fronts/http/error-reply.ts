import type { ProaError } from '../../kernel/errors.ts';
import { hintDetail } from '../../kernel/hint-detail.ts';
import type { Reply } from './reply.ts';

/** The JSON of an error: legacy code and message, and details in protobuf's JSON where the error has them (Dapr reference 8.1), with the hint as the last. */
export function errorReply(error: ProaError, headers: readonly string[] = []): Reply {
  const { spec } = error;
  const details = [...errorDetails(error), ...(error.hint === undefined ? [] : [hintDetail(error.hint)])];
  const document = {
    errorCode: spec.errorCode,
    message: error.message,
    ...(details.length > 0 && { details }),
  };
  return {
    status: spec.http,
    headers: ['content-type', 'application/json', 'x-proa-error', error.code, ...headers, ...retryAfter(error)],
    body: JSON.stringify(document),
  };
}

/** When a limit knows when to come again, the header says so in whole seconds. */
function retryAfter(error: ProaError): string[] {
  const ms = Number(error.details?.metadata?.['retryAfterMs']);
  return Number.isFinite(ms) ? ['retry-after', String(Math.max(1, Math.ceil(ms / 1_000)))] : [];
}

const typeUrl = 'type.googleapis.com/google.rpc.';

/** Details as objects with `@type`, snake_case members as Dapr prints them. */
export function errorDetails(error: ProaError): Record<string, unknown>[] {
  const { details, spec } = error;
  const reason = details?.reason ?? spec.reason;
  const printed: Record<string, unknown>[] = [];
  if (reason !== undefined) {
    printed.push({
      '@type': `${typeUrl}ErrorInfo`,
      reason,
      domain: 'dapr.io',
      ...(details?.metadata === undefined ? {} : { metadata: details.metadata }),
    });
  }
  if (details?.resource !== undefined) {
    const { type, name, owner, description } = details.resource;
    printed.push({
      '@type': `${typeUrl}ResourceInfo`,
      resource_type: type,
      resource_name: name,
      owner: owner ?? '',
      description: description ?? error.message,
    });
  }
  if (details?.violations !== undefined) {
    printed.push({ '@type': `${typeUrl}BadRequest`, field_violations: details.violations });
  }
  return printed;
}
