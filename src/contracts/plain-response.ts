import { bytesBody } from '../kernel/body.ts';
import type { HttpRequest, HttpResponse } from './middleware.ts';

/** An answer of a few words in plain text, instead of the rest of the pipeline: what the request still sends is dropped. */
export function plainResponse(request: HttpRequest, status: number, options: { text: string; headers?: readonly string[] }): HttpResponse {
  request.body.discard();
  const bytes = Buffer.from(options.text);
  const headers = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(bytes.length), ...(options.headers ?? [])];
  return { status, headers, body: bytesBody(bytes) };
}
