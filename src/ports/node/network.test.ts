import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Address, Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import { DirectWriter } from './direct-write.ts';
import { createNodeNetwork } from './network.ts';

const loopback: Address = { host: '127.0.0.1', port: 0 };

function handlers(part: Partial<ConnectionHandlers>): ConnectionHandlers {
  return { data() {}, end() {}, drain() {}, close() {}, ...part };
}

/** Sends `parts` to an echo server, half-closes, and answers what came back. */
async function echo(network: ReturnType<typeof createNodeNetwork>, address: Address, sent: Buffer): Promise<Buffer> {
  const peers: string[] = [];
  const listener = await network.listen(address, (connection) => {
    peers.push(connection.remote);
    connection.handlers = handlers({
      data: (chunk) => {
        if (!connection.write(Buffer.from(chunk))) connection.pause();
      },
      drain: () => connection.resume(),
      end: () => connection.end(),
    });
  });
  const received: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    const connection = network.connect(listener.address);
    connection.handlers = handlers({
      open: () => {
        connection.write(sent);
        connection.end();
      },
      data: (chunk) => received.push(Buffer.from(chunk)),
      close: (error) => (error === undefined ? resolve() : reject(error)),
    });
  });
  await listener.close();
  expect(peers).toHaveLength(1);
  expect(peers[0]).toMatch('path' in address ? address.path : /^127\.0\.0\.1:\d+$/);
  return Buffer.concat(received);
}

describe('node network', () => {
  const big = Buffer.alloc(3_000_000, 'proa says hello to every shore. ');

  it.each([false, true])(
    'echoes with half-close and back pressure over TCP and Unix sockets (data events: %s)',
    async (forceDataEvents) => {
      const network = createNodeNetwork({ forceDataEvents });
      const directory = mkdtempSync(join(tmpdir(), 'proa-net-'));
      try {
        expect((await echo(network, loopback, big)).equals(big)).toBe(true);
        expect((await echo(network, { path: join(directory, 's') }, big)).equals(big)).toBe(true);
        expect(network.acceptedReads).toBe(forceDataEvents ? 'data-events' : 'shared-buffer');
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

  it('makes Unix sockets that only the owner can use, and reports a taken address', async () => {
    const network = createNodeNetwork();
    const directory = mkdtempSync(join(tmpdir(), 'proa-net-'));
    const address = { path: join(directory, 's') };
    const listener = await network.listen(address, () => {});
    expect(statSync(address.path).mode & 0o777).toBe(0o600);
    await expect(network.listen(address, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await listener.close();
    // Node would cut it short, and make another socket.
    await expect(network.listen({ path: join(directory, 'x'.repeat(200)) }, () => {})).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    rmSync(directory, { recursive: true });
    const first = await network.listen(loopback, () => {});
    await expect(network.listen(first.address, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await first.close();
  });

  it('closes with the system error when nobody listens, and live connections outlive the listener', async () => {
    const network = createNodeNetwork();
    let accepted: Connection | undefined = undefined;
    const listener = await network.listen(loopback, (connection) => {
      accepted = connection;
      connection.handlers = handlers({ data: (chunk) => void connection.write(Buffer.from(chunk)) });
    });
    const connection = network.connect(listener.address);
    await new Promise<void>((resolve) => {
      connection.handlers = handlers({ open: resolve });
    });
    await listener.close();
    const echoed = await new Promise<string>((resolve) => {
      connection.handlers = handlers({ data: (chunk) => resolve(Buffer.from(chunk).toString()) });
      connection.write('still here');
    });
    expect(echoed).toBe('still here');
    const closed = new Promise<void>((resolve) => {
      connection.handlers = handlers({ close: () => resolve() });
    });
    (accepted as unknown as Connection).destroy();
    connection.end();
    await closed;
    const refused = network.connect(listener.address);
    const error = await new Promise<Error | undefined>((resolve) => {
      refused.handlers = handlers({ close: resolve });
    });
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe.each([{}, { forceDataEvents: true }, { forceStreamWrites: true }])('what is written in one turn (%j)', (options) => {
  const text = (bytes: Buffer[]): string => Buffer.concat(bytes).toString('latin1');

  /** Lets `write` use the accepted end; answers what the connecting end received until it was closed, and in how many pieces. */
  async function written(write: (connection: Connection) => void): Promise<{ received: string; pieces: number }> {
    const network = createNodeNetwork(options);
    const listener = await network.listen(loopback, (connection) => {
      connection.handlers = handlers({ data: () => write(connection) });
    });
    const pieces: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      const connection = network.connect(listener.address);
      connection.handlers = handlers({
        open: () => connection.write('go'),
        data: (chunk) => pieces.push(Buffer.from(chunk)),
        end: () => connection.end(),
        close: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
    await listener.close();
    return { received: text(pieces), pieces: pieces.length };
  }

  it('leaves in its order, in one piece', async () => {
    const result = await written((connection) => {
      for (const word of ['one ', 'two ', 'three']) connection.write(word);
      connection.end();
    });
    expect(result).toEqual({ received: 'one two three', pieces: 1 });
  });

  it('keeps the order of text and bytes, corked or not', async () => {
    const { received } = await written((connection) => {
      connection.write('a');
      connection.write(Buffer.from('b'));
      connection.write('c');
      connection.cork();
      connection.write('d');
      connection.write(Buffer.from('e'));
      connection.write('f');
      connection.uncork();
      connection.write('g');
      connection.end();
    });
    expect(received).toBe('abcdefg');
  });

  it('is refused beyond the queue and asked for again when it has left', async () => {
    const events: string[] = [];
    const { received } = await written((connection) => {
      connection.handlers = handlers({
        drain() {
          events.push('drain');
          connection.end();
        },
      });
      const answers = [connection.write('x'.repeat(10)), connection.write('y'.repeat(64 * 1024))];
      events.push(answers.join(' '));
    });
    expect(events).toEqual(['true false', 'drain']);
    expect(received).toHaveLength(10 + 64 * 1024);
  });

  it('is dropped when the connection is destroyed in the same turn', async () => {
    const { received } = await written((connection) => {
      connection.write('never sent');
      connection.destroy();
    });
    expect(received).toBe('');
  });
});

describe.each([{}, { forceStreamWrites: true }])('what the kernel does not take at once (%j)', (options) => {
  /** A connection whose peer does not read until told to: the accepting end, the connecting end, and what closes both. */
  async function stalled(): Promise<{ writer: Connection; peer: Connection; close: () => Promise<void> }> {
    const network = createNodeNetwork(options);
    let accepted: Connection | undefined = undefined;
    const listener = await network.listen(loopback, (connection) => (accepted = connection));
    const peer = network.connect(listener.address);
    await new Promise<void>((resolve) => {
      peer.handlers = handlers({ open: resolve });
    });
    peer.pause();
    while (accepted === undefined) await new Promise((resolve) => setImmediate(resolve));
    const writer = accepted as Connection;
    writer.handlers = handlers({});
    return { writer, peer, close: () => listener.close() };
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** Writes lines, as text and as bytes in turns, whenever it may, until it may not for a while; answers how many. */
  async function fill(writer: Connection): Promise<number> {
    let open = true;
    writer.handlers = handlers({ drain: () => (open = true) });
    let lines = 0;
    for (let still = 0; still < 20; still = open ? 0 : still + 1) {
      for (; open; lines++) {
        const line = `${String(lines).padStart(8, '0')}${'.'.repeat(4_087)}\n`;
        open = writer.write(lines % 3 === 0 ? Buffer.from(line) : line);
      }
      await turn();
    }
    return lines;
  }

  it('leaves later, in its order, and is asked for again', async () => {
    const { writer, peer, close } = await stalled();
    const lines = await fill(writer);
    const received: Buffer[] = [];
    let drained = 0;
    await new Promise<void>((resolve, reject) => {
      writer.handlers = handlers({
        drain() {
          drained++;
          writer.write('the end');
          writer.end();
        },
      });
      peer.handlers = handlers({
        data: (chunk) => received.push(Buffer.from(chunk)),
        end: () => peer.end(),
        close: (error) => (error === undefined ? resolve() : reject(error)),
      });
      peer.resume();
    });
    await close();
    const text = Buffer.concat(received).toString('latin1');
    expect(text).toHaveLength(lines * 4_096 + 7);
    expect(Array.from({ length: lines }, (_, n) => Number(text.slice(n * 4_096, n * 4_096 + 8)))).toEqual([...Array(lines).keys()]);
    expect(text.endsWith('.\nthe end')).toBe(true);
    expect(drained).toBe(1);
  });

  it.each(['peer', 'writer'] as const)('is given up when the %s goes away', async (who) => {
    const { writer, peer, close } = await stalled();
    await fill(writer);
    const closed = new Promise<Error | undefined>((resolve) => {
      writer.handlers = handlers({ drain: () => expect.fail('nothing has left'), close: resolve });
    });
    // The peer has not read what came: its system answers with a reset.
    (who === 'peer' ? peer : writer).destroy();
    if (who === 'peer') expect(await closed).toMatchObject({ code: expect.stringMatching(/^(?:EPIPE|ECONNRESET)$/) });
    else expect(await closed).toBeUndefined();
    peer.destroy();
    await close();
  });

  it('cannot be written at all once the peer is gone', async () => {
    const { writer, peer, close } = await stalled();
    writer.write('unread');
    await turn();
    // Nothing is read here, so that only a write can notice.
    writer.pause();
    peer.destroy();
    let error: Error | undefined = undefined;
    let over = false;
    writer.handlers = handlers({ close: (reason) => ((error = reason), (over = true)) });
    for (; !over; await turn()) writer.write('more');
    expect(error).toMatchObject({ code: expect.stringMatching(/^(?:EPIPE|ECONNRESET)$/), syscall: 'write' });
    await close();
  });
});

describe('writes past the stream', () => {
  it('are there on the Nodes that we know', () => {
    expect(DirectWriter.open()).toBeDefined();
  });
});

describe('what arrives in one turn', () => {
  it('delivers what arrived before the end and before a pause in order, and nothing while it is paused', async () => {
    const network = createNodeNetwork();
    const seen: string[] = [];
    let paused: Connection | undefined;
    const done = new Promise<void>((resolve) => {
      void network
        .listen(loopback, (connection) => {
          connection.handlers = handlers({
            data(chunk) {
              seen.push(Buffer.from(chunk).toString());
              if (seen.length > 1) return;
              connection.pause();
              paused = connection;
            },
            end() {
              seen.push('end');
              connection.end();
            },
            close: () => resolve(),
          });
        })
        .then((listener) => {
          const client = network.connect(listener.address);
          client.handlers = handlers({ open: () => client.write('one'), close: () => void listener.close() });
          const later = (): void => {
            if (paused === undefined) {
              setImmediate(later);
              return;
            }
            client.write('two');
            client.end();
            // The second message is on its way or there: it waits for the reader in both cases.
            setImmediate(() => setImmediate(() => setImmediate(() => (seen.push('resumed'), paused?.resume()))));
          };
          later();
        });
    });
    await done;
    expect(seen).toEqual(['one', 'resumed', 'two', 'end']);
  });

  it('gives nothing to a connection that was given up in the same turn', async () => {
    const network = createNodeNetwork();
    const seen: string[] = [];
    const accepted: Connection[] = [];
    const listener = await network.listen(loopback, (connection) => {
      accepted.push(connection);
      connection.handlers = handlers({
        data(chunk) {
          seen.push(Buffer.from(chunk).toString());
          for (const each of accepted) each.destroy();
        },
      });
    });
    const clients = [network.connect(listener.address), network.connect(listener.address)];
    let open = 0;
    await new Promise<void>((resolve) => {
      let closed = 0;
      for (const client of clients) {
        client.handlers = handlers({
          // Both requests leave together, so that they are read in one turn.
          open: () => void (++open === 2 && clients.forEach((each) => each.write('hello'))),
          end: () => client.end(),
          close: () => void (++closed === 2 && resolve()),
        });
      }
    });
    expect(seen).toEqual(['hello']);
    await listener.close();
  });
});

describe('quiet turns', () => {
  /** The connecting end sends the numbers to `until`, each after the answer to the one before; answers what it received until both ends were closed. */
  async function pingPong(until: number, answer: (asked: number, connection: Connection) => void): Promise<string[]> {
    const network = createNodeNetwork();
    const answers: string[] = [];
    let listener: Awaited<ReturnType<typeof network.listen>> | undefined;
    await new Promise<void>((resolve) => {
      let closed = 0;
      const close = (): void => void (++closed === 2 && resolve());
      const accept = (connection: Connection): void => {
        const data = (chunk: Uint8Array): void => answer(Number(Buffer.from(chunk).toString()), connection);
        connection.handlers = handlers({ data, end: () => connection.end(), close });
      };
      void network.listen(loopback, accept).then((listening) => {
        listener = listening;
        const client = network.connect(listening.address);
        client.handlers = handlers({
          open: () => client.write('0'),
          data(chunk) {
            answers.push(Buffer.from(chunk).toString());
            if (answers.length <= until) client.write(String(answers.length));
          },
          end: () => client.end(),
          close,
        });
      });
    });
    await listener?.close();
    return answers;
  }

  const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i} `);

  it('let text leave at once, in its order', async () => {
    const said = (until: number): Promise<string[]> =>
      pingPong(until, (asked, connection) => {
        if (asked < until) return void connection.write(`${asked} `);
        connection.write('good');
        connection.write('bye');
        // What waits for the end of the turn is lost.
        connection.destroy();
      });
    const quiet = await said(100);
    expect(quiet.slice(0, 100)).toEqual(numbers(100));
    expect(quiet.slice(100).join('')).toBe('goodbye');
    expect(await said(3)).toEqual(numbers(3));
  });

  it('deliver nothing to a connection that is paused', async () => {
    const seen: string[] = [];
    const answers = await pingPong(101, (asked, connection) => {
      if (asked < 100) return void connection.write(`${asked} `);
      seen.push(String(asked));
      if (asked > 100) return connection.end();
      connection.pause();
      connection.write('paused');
      setImmediate(() => setImmediate(() => setImmediate(() => (seen.push('resumed'), connection.resume()))));
    });
    expect(answers).toEqual([...numbers(100), 'paused']);
    expect(seen).toEqual(['100', 'resumed', '101']);
  });
});
