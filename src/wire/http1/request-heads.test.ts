import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProaError } from '../../kernel/errors.ts';
import { noTrace } from '../../kernel/trace-context.ts';
import { blankRequestHead, parseRequestFields, parseRequestLine } from './request-head.ts';
import { RequestHeads } from './request-heads.ts';

const limits = { headersMax: 100, requestLineBytesMax: 4096, guardedNames: new Set<string>() };
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

/** What the server reads out of a head: the headers, or what is wrong with it. */
function read(head: string): readonly string[] | object {
  const bytes = Buffer.from(`${head}\r\n`, 'latin1');
  const into = blankRequestHead();
  const line = parseRequestLine(bytes, { start: 0, end: bytes.length }, limits, into);
  if (typeof line !== 'number') return line;
  return parseRequestFields(bytes, { start: line, end: bytes.length }, limits, into) ?? into.headers;
}

describe('RequestHeads', () => {
  it('refuse a request, or write one that the server reads as it was meant, whatever they wrote before', () => {
    const lists = [[], ['a', '1'], ['Host', 'h'], ['host', 'h', 'a', '1'], ['bad name', '1'], ['a', 'x\r\ny: z'], ['é', '1'], ['a', 'é']];
    const request = fc.record({
      method: fc.constantFrom('GET', 'PUT', 'G ET', '', 'CONNECT'),
      target: fc.constantFrom('/', '/x?y', '/x', '/x y', '/x\r\nz', 'x', ''),
      headers: fc.constantFrom(...lists),
      tracestate: fc.constantFrom('', 'a=1', 'a=1\r\nx: y', 'é\0'),
      traced: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 30 }), (requests) => {
        const heads = new RequestHeads('server:1');
        for (const { tracestate, traced, ...plain } of [...requests, ...requests]) {
          const line = tracestate.length % 2 === 0 ? `traceparent: ${traceparent}\r\n` : undefined;
          const trace = traced ? { ...noTrace, traceparent, tracestate, line } : noTrace;
          const bad =
            !/^(?:GET|PUT)$/.test(plain.method) ||
            !/^\/[^\s]*$/.test(plain.target) ||
            plain.headers.some((text) => /^(?:bad name|é)$/.test(text) && plain.headers[0] === text) ||
            [...plain.headers, traced ? tracestate : ''].some((text) => /[\r\n\0]/.test(text));
          const write = (): string => heads.write({ ...plain, trace });
          if (bad) {
            expect(write).toThrow(ProaError);
            continue;
          }
          const lower = plain.headers.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
          const own = traced ? ['traceparent', traceparent, ...(tracestate === '' ? [] : ['tracestate', tracestate])] : [];
          expect(read(write())).toEqual([...(lower.includes('host') ? [] : ['host', 'server:1']), ...lower, ...own]);
        }
      }),
    );
  });

  it('are told apart by everything that they hold', () => {
    const heads = new RequestHeads('h');
    const headers = ['x', '1'];
    const texts = [
      { method: 'GET', target: '/a', headers },
      { method: 'PUT', target: '/a', headers },
      { method: 'GET', target: '/b', headers },
      { method: 'GET', target: '/a', headers: ['x', '2'] },
      { method: 'GET', target: '/a', headers, trace: { ...noTrace, traceparent } },
    ].map((request) => [heads.write(request), heads.write(request), heads.write(request)]);
    for (const [first, ...again] of texts) expect(again).toEqual([first, first]);
    expect(new Set(texts.map(([first]) => first)).size).toBe(5);
  });
});
