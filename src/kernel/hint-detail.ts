// An error document says what to do next as a detail of a type that is known everywhere: SDKs that read Dapr's errors strictly (Java's) refuse a document
// with a member of its own, and lose code and message with it.
const type = 'type.googleapis.com/google.rpc.LocalizedMessage';

/** The hint as a detail of the document. */
export function hintDetail(hint: string): Readonly<Record<string, string>> {
  return { '@type': type, locale: 'en', message: hint };
}

/** The hint among a document's details, whatever these are. */
export function hintOf(details: unknown): string | undefined {
  const found = Array.isArray(details) ? (details as unknown[]).find(isHint) : undefined;
  return found?.message;
}

function isHint(detail: unknown): detail is { readonly message: string } {
  const { '@type': of, message } = (typeof detail === 'object' && detail !== null ? detail : {}) as Readonly<Record<string, unknown>>;
  return of === type && typeof message === 'string';
}
