const methods = 'HEAD, GET, POST, PUT, PATCH, DELETE';

/** CORS of the API (`--allowed-origins`): off when the list is empty, `*` allows every origin (Dapr reference 2). */
export interface Cors {
  /** Headers that an answer to this origin carries; empty when it is not allowed. */
  headersFor(origin: string | undefined): readonly string[];
  /** The answer's headers when the request is a preflight of an allowed origin. */
  preflight(request: { readonly method: string; header(name: string): string | undefined }): readonly string[] | undefined;
}

/** `allowed` is a comma list. */
export function createCors(allowed: string): Cors {
  const origins = new Set(
    allowed
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
  );
  const allows = (origin: string | undefined): origin is string => origin !== undefined && (origins.has('*') || origins.has(origin));
  return {
    headersFor: (origin) => (allows(origin) ? ['access-control-allow-origin', origins.has('*') ? '*' : origin, 'vary', 'Origin'] : []),
    preflight(request) {
      const origin = request.header('origin');
      if (request.method !== 'OPTIONS' || request.header('access-control-request-method') === undefined || !allows(origin))
        return undefined;
      const wanted = request.header('access-control-request-headers');
      return [
        ...['access-control-allow-origin', origins.has('*') ? '*' : origin, 'vary', 'Origin', 'access-control-allow-methods', methods],
        ...(wanted === undefined ? [] : ['access-control-allow-headers', wanted]),
      ];
    },
  };
}
