const windowMs = 10_000;
// A peer that reads a large answer grants window in small steps: some per frame of data are in order.
const updatesPerDataFrame = 4;
const updatesMax = 1_000;

/**
 * Counts what a peer sends although it moves nothing (RFC 9113, section 10.5). Work that it finishes pays for resets: whoever completes calls may also give up
 * some, whoever only opens and resets may not.
 */
export class PeerGuard {
  readonly #framesMax: number;
  #sinceMs = 0;
  #count = 0;
  #updates = updatesMax;
  #pingsFree = 1;

  constructor(framesMax: number) {
    this.#framesMax = framesMax;
  }

  /** One more useless frame; true when there are too many. */
  spend(nowMs: number): boolean {
    if (nowMs - this.#sinceMs > windowMs) {
      this.#sinceMs = nowMs;
      this.#count = 0;
    }
    this.#count++;
    return this.#count > this.#framesMax;
  }

  /** A stream ended as it should. */
  completed(): void {
    if (this.#count > 0) this.#count--;
  }

  /** We sent a frame of data or headers: a peer may measure the connection by it (gRPC's bandwidth estimation does). */
  sent(): void {
    this.#pingsFree = 1;
    if (this.#updates < updatesMax) this.#updates += updatesPerDataFrame;
  }

  ping(nowMs: number): boolean {
    if (this.#pingsFree === 0) return this.spend(nowMs);
    this.#pingsFree = 0;
    return false;
  }

  windowUpdate(nowMs: number): boolean {
    if (this.#updates <= 0) return this.spend(nowMs);
    this.#updates--;
    return false;
  }
}
