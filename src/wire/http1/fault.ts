import { statusLine } from './write-head.ts';

/** Why a message was refused: the status that the peer gets (when it can get one) and a reason for people. */
export interface Fault {
  readonly status: number;
  readonly reason: string;
}

function fault(status: number, reason: string): Fault {
  return { status, reason };
}

/** Everything that the codec refuses. Nothing is guessed: after any of these the connection is closed. */
export const faults = {
  requestLine: fault(400, 'the request line is not valid'),
  target: fault(400, 'the request target is not valid'),
  authority: fault(400, 'the authority of the request target and the Host header differ'),
  version: fault(400, 'only HTTP/1.0 and HTTP/1.1 are spoken here'),
  methodUnknown: fault(501, 'the method is not known'),
  methodRefused: fault(405, 'the method is not allowed'),
  headerName: fault(400, 'a header name is not valid'),
  headerValue: fault(400, 'a header value holds a character that is not allowed'),
  headerAlias: fault(400, 'a header name uses "_" to look like a protected header'),
  headersMax: fault(431, 'the request has too many headers'),
  headBytesMax: fault(431, 'the request head is too large'),
  requestLineMax: fault(414, 'the request line is too long'),
  bareLineFeed: fault(400, 'a line ends without a carriage return'),
  hostMissing: fault(400, 'the Host header is missing'),
  hostTwice: fault(400, 'there is more than one Host header'),
  host: fault(400, 'the Host header is not valid'),
  contentLength: fault(400, 'the Content-Length header is not valid'),
  contentLengthTwice: fault(400, 'there is more than one Content-Length header'),
  transferEncoding: fault(400, 'the only Transfer-Encoding understood is "chunked", once'),
  lengthAndEncoding: fault(400, 'Content-Length and Transfer-Encoding exclude each other'),
  encodingVersion: fault(400, 'HTTP/1.0 has no Transfer-Encoding'),
  expectation: fault(417, 'the only expectation understood is "100-continue"'),
  chunkSize: fault(400, 'a chunk size is not valid'),
  chunkExtension: fault(400, 'a chunk extension is not valid or too long'),
  chunkEnd: fault(400, 'a chunk is not ended by a line end'),
  trailerMax: fault(431, 'the trailers are too large'),
  trailer: fault(400, 'a trailer is not valid'),
  bodyMax: fault(413, 'the body is too large'),
  headSlow: fault(408, 'the request head did not arrive in time'),
  bodySlow: fault(408, 'the request body did not arrive in time'),
  connectionsMax: fault(503, 'too many connections'),
  statusLine: fault(502, 'the status line is not valid'),
} as const satisfies Record<string, Fault>;

/** The answer of the codec itself; the reason is ours and holds nothing that the client sent. */
export function refusal(fault: Fault, date: string): string {
  const length = fault.reason.length + 1;
  return `${statusLine(fault.status)}date: ${date}\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${fault.reason}\n`;
}
