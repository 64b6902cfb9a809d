// The two ends of a chain that speak HTTP/1.1, TLS and the mux with the product's own codecs and do nothing else: no route, no policy, no trace, no metric, no
// identity of the caller. What the product costs above it is what makes it one; what it costs above the bare chain is reading and writing messages.
// `front <port> <back port> <directory>`, `back <port> <app port> <directory>`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePorts } from '../src/ports/node/index.ts';
import { createHttp1Client } from '../src/wire/http1/client.ts';
import { forwardHeaders } from '../src/wire/http1/forward-headers.ts';
import { serveHttp1 } from '../src/wire/http1/server.ts';
import { createMuxClient } from '../src/wire/mux/client.ts';
import { goawayBytes } from '../src/wire/mux/frame.ts';
import { protocolName } from '../src/wire/mux/hello.ts';
import { serveMux } from '../src/wire/mux/server.ts';
import { createMutualTlsNetwork, type MutualTlsNetwork } from '../src/wire/tls/mutual-network.ts';

const [mode, port, peerPort, directory] = process.argv.slice(2);
const here = { host: '127.0.0.1', port: Number(port) };
const there = { host: '127.0.0.1', port: Number(peerPort) };
const { network, clock, random } = nodePorts();

function tlsAs(name: string): MutualTlsNetwork<string> {
  const file = (path: string): string => readFileSync(join(directory as string, path), 'utf8');
  const identity = { certificate: file(`${name}.crt`), privateKey: file(`${name}.key`), roots: file('ca.crt') };
  return createMutualTlsNetwork({
    identity: () => identity,
    verify: ({ untrusted }) => (untrusted === undefined ? { peer: '' } : { refused: untrusted }),
    protocol: protocolName,
    refusal: (reason) => goawayBytes('identity', reason),
    onRefused: (remote, reason) => console.error(remote, reason),
    handshakeTimeoutMs: 5_000,
    readBuffer: Buffer.allocUnsafeSlow(64 * 1024),
  });
}

async function front(): Promise<void> {
  const peer = createMuxClient({ network: tlsAs('a'), clock, random, address: there });
  await serveHttp1({
    network,
    clock,
    address: here,
    handler({ method, target, headers, body, cancel }, response) {
      const fields = [method, target, ...forwardHeaders(headers)];
      peer.call(
        { fields, body, cancel },
        {
          head: (answer) => response.sendBody(Number(answer.fields[0]), answer.fields.slice(1), answer.body),
          fail: (error) => response.send(error.spec.http, [], error.message),
        },
      );
    },
  });
}

async function back(): Promise<void> {
  const app = createHttp1Client({ network, clock }).pool(there);
  await serveMux({
    network: tlsAs('b'),
    clock,
    address: here,
    identify: ({ peer }) => peer,
    handler({ fields, body, cancel, stream }) {
      const [method = '', target = ''] = fields;
      app.dispatch(
        { method, target, headers: fields.slice(2), body, cancel },
        {
          head: (answer) => stream.send([String(answer.status), ...forwardHeaders(answer.headers)], answer.body),
          fail: (error) => stream.reset(error),
        },
      );
    },
  });
}

await (mode === 'front' ? front() : back());
