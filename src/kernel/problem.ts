import { catalogue, type ErrorCode } from './catalogue.ts';
import { ProaError, type ErrorDetails } from './errors.ts';

/** The media type of errors between apps (RFC 9457). */
export const problemType = 'application/problem+json';

/**
 * An error as a problem document (RFC 9457): `title`, `status`, `detail` and `instance` (the trace id) as it says, `code` of the catalogue, and what the
 * error's details hold: `reason`, `metadata`, `violations`.
 */
export function problemText(error: ProaError, traceId = ''): string {
  const { code, message, hint, details, spec } = error;
  return JSON.stringify({
    type: 'about:blank',
    title: spec.title,
    status: spec.http,
    detail: message,
    ...(traceId !== '' && { instance: `urn:trace:${traceId}` }),
    code,
    ...(hint !== undefined && { hint }),
    ...(details?.reason !== undefined && { reason: details.reason }),
    ...(details?.metadata !== undefined && { metadata: details.metadata }),
    ...(details?.violations !== undefined && { violations: details.violations }),
  });
}

/** The error that a problem document of ours stands for; undefined for documents of others, which carry no code of the catalogue. */
export function readProblem(text: string): ProaError | undefined {
  const document = parsed(text);
  const code = document?.['code'];
  if (document === undefined || typeof code !== 'string' || !Object.hasOwn(catalogue, code)) return undefined;
  const { detail, hint, reason, metadata, violations, instance } = document;
  const read = {
    ...(typeof reason === 'string' && { reason }),
    ...(isTexts(metadata) && { metadata }),
    ...(isViolations(violations) && { violations }),
  };
  const details: ErrorDetails | undefined = Object.keys(read).length === 0 ? undefined : read;
  return new ProaError(code as ErrorCode, typeof detail === 'string' ? detail : '', {
    ...(details !== undefined && { details }),
    ...(typeof hint === 'string' && { hint }),
    ...(typeof instance === 'string' && { cause: { instance } }),
  });
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const document: unknown = JSON.parse(text);
    return typeof document === 'object' && document !== null ? (document as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'string');
}

function isViolations(value: unknown): value is NonNullable<ErrorDetails['violations']> {
  return (
    Array.isArray(value) &&
    value.every((item: unknown) => {
      const { field, description } = (item ?? {}) as { field?: unknown; description?: unknown };
      return typeof field === 'string' && typeof description === 'string';
    })
  );
}
