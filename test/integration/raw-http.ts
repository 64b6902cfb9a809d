import { connect } from 'node:net';

/** What came back on a connection that this file wrote bytes to. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** `errorCode` of a JSON body, or an empty text. */
  readonly code: string;
}

/**
 * Writes the bytes as they are and reads until the other side closes, or until one whole answer is there.
 * Fails when nothing complete has come within `timeoutMs`, by default half a minute: a server that hangs is a fault. `halfClose` ends our side after writing.
 */
export function sendRaw(
  port: string,
  bytes: string | Buffer,
  options: { readonly halfClose?: boolean; readonly timeoutMs?: number } = {},
): Promise<RawAnswer> {
  const { halfClose = false, timeoutMs = 30_000 } = options;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let text = '';
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parse(text));
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`no whole answer within ${timeoutMs} ms to ${JSON.stringify(String(bytes).slice(0, 120))}; got ${JSON.stringify(text)}`),
      );
    }, timeoutMs);
    socket.on('connect', () => (halfClose ? socket.end(bytes) : socket.write(bytes)));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (isWhole(text)) end();
    });
    socket.on('close', end);
    socket.on('error', () => undefined);
  });
}

/** A request in HTTP/1.1 with a length, and whatever headers were asked for. */
export function request(line: string, body: string | Buffer = '', headers: readonly string[] = []): Buffer {
  const content = Buffer.from(body);
  const head = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', `Content-Length: ${content.length}`, ...headers].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), content]);
}

function parse(text: string): RawAnswer {
  const split = text.indexOf('\r\n\r\n');
  const head = split < 0 ? text : text.slice(0, split);
  const body = split < 0 ? '' : text.slice(split + 4);
  const code = /"errorCode":\s*"([^"]*)"/.exec(body)?.[1] ?? '';
  return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0), head, body, code };
}

function isWhole(text: string): boolean {
  const split = text.indexOf('\r\n\r\n');
  if (split < 0) return false;
  const head = text.slice(0, split);
  const length = /content-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return text.length >= split + 4 + Number(length);
  return /^HTTP\/1\.1 (204|304)/.test(head) || (/transfer-encoding: *chunked/i.test(head) && text.endsWith('0\r\n\r\n'));
}
