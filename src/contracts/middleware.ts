import type { Filter } from '../kernel/service.ts';
import type { Body } from '../kernel/body.ts';

/** An HTTP request as pipelines see it. Header names are lower case; headers are flat name, value pairs. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: Body;
  /** `host:port` of the peer. */
  readonly remote: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Body;
}

/** One handler of `httpPipeline` or `appHttpPipeline`: a filter of HTTP requests. */
export interface HttpMiddleware {
  readonly filter: Filter<HttpRequest, HttpResponse>;
  close(): Promise<void>;
}
