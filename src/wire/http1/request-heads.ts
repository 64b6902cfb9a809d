import { ProaError } from '../../kernel/errors.ts';
import { nameClass, targetClass } from './char-class.ts';
import type { Http1ClientRequest } from './client-call.ts';
import { KnownHeads } from './known-heads.ts';
import { HeaderWriter, traceLine } from './write-head.ts';

/** Writes the heads of the requests to one server: request line, headers and trace, up to the framing. */
export class RequestHeads {
  readonly #authority: string;
  readonly #writer = new HeaderWriter();
  readonly #known = new KnownHeads((headers, method: string, target) => {
    if (!validMethod(method)) throw new ProaError('bad-request', `the method ${JSON.stringify(method.slice(0, 32))} is not valid`);
    if (!validTarget(target)) throw new ProaError('bad-request', 'the request target is not valid');
    const lines = this.#writer.lines(headers);
    return `${method} ${target} HTTP/1.1\r\n${this.#writer.hasHost ? '' : `host: ${this.#authority}\r\n`}${lines}`;
  });

  /** `authority` is the Host header of requests that have none. */
  constructor(authority: string) {
    this.#authority = authority;
  }

  /** The lines of a head but its last ones. Throws `bad-request` for what must not be sent. */
  write({ headers, method, target, trace }: Http1ClientRequest): string {
    const known = this.#known.of(headers, method, target);
    if (trace === undefined || trace.traceparent === '') return known;
    const traced = known + traceLine(trace);
    return trace.tracestate === '' ? traced : traced + this.#writer.line('tracestate', trace.tracestate);
  }
}

function validMethod(method: string): boolean {
  if (method === 'GET' || method === 'POST') return true;
  for (let i = 0; i < method.length; i++) if (method.charCodeAt(i) > 0x7f || nameClass[method.charCodeAt(i)] === 0) return false;
  return method.length > 0 && method !== 'CONNECT';
}

function validTarget(target: string): boolean {
  for (let i = 0; i < target.length; i++) if (target.charCodeAt(i) > 0x7e || targetClass[target.charCodeAt(i)] === 0) return false;
  return target.charCodeAt(0) === 47 || target === '*';
}
