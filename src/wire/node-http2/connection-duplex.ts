import { Duplex } from 'node:stream';
import type { Connection } from '../../kernel/ports.ts';

/**
 * A connection of the network port as a stream of Node, for code that takes only those. `first` are bytes that were read from
 * it already. Takes the connection's handlers over; destroying the stream destroys the connection.
 */
export function connectionDuplex(connection: Connection, first?: Uint8Array): Duplex {
  let drained: (() => void) | undefined;
  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => connection.resume(),
    write(chunk: Uint8Array, _encoding, done) {
      if (connection.write(chunk)) done();
      else drained = done;
    },
    final(done) {
      connection.end();
      done();
    },
    destroy(error, done) {
      connection.destroy(error ?? undefined);
      done(error);
    },
  });
  connection.handlers = {
    data(chunk) {
      if (!duplex.push(Buffer.from(chunk))) connection.pause();
    },
    end: () => duplex.push(null),
    drain() {
      const done = drained;
      drained = undefined;
      done?.();
    },
    close(error) {
      if (!duplex.destroyed) duplex.destroy(error);
    },
  };
  if (first !== undefined && first.length > 0) duplex.push(Buffer.from(first));
  return duplex;
}
