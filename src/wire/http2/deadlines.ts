/** The deadlines of one connection, as `Sweep.nowMs` instants; `Infinity` while one does not run. */
export class Deadlines {
  /** The preface and the peer's first SETTINGS. */
  handshake = Infinity;
  /** The acknowledgement of our SETTINGS. */
  settings = Infinity;
  /** The rest of a header block. */
  block = Infinity;
  /** The peer takes what we wrote. */
  write = Infinity;
  /** Somebody looks whether complete answers wait too long. */
  stall = Infinity;
  /** A PING is due. */
  ping = Infinity;
  /** Its answer. */
  pong = Infinity;
  /** The answer to the PING that separates the two steps of a drain. */
  drain = Infinity;
  /** The peer closes after us. */
  linger = Infinity;

  get next(): number {
    const { handshake, settings, block, write, stall, ping, pong, drain, linger } = this;
    return Math.min(handshake, settings, block, write, stall, ping, pong, drain, linger);
  }

  clear(): void {
    this.handshake = this.settings = this.block = this.write = this.stall = this.ping = this.pong = this.drain = this.linger = Infinity;
  }
}
