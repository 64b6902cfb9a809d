import type { Clock, ProcessPort, Timer } from '../kernel/ports.ts';

/** The process, as far as its memory and its work are concerned. */
export interface IdleMemoryOptions {
  readonly clock: Pick<Clock, 'mono' | 'timer'>;
  readonly process: Pick<ProcessPort, 'cpuUs' | 'memoryBytes' | 'saveMemory'>;
}

const lookEveryMs = 10_000;
/** A process that uses a smaller part of one core is idle, and one above the second is busy again. Not the loop's own times: asking for them loads half a megabyte of Node's modules. */
const idleShareMax = 0.25;
const busyShareMin = 0.5;
/** How many looks saving takes: V8 begins within 8 s and collects three times at most. */
const savingLooks = 3;
/** A heap that holds a quarter and so much more than it did after it was saved last has something to give back. */
const grownShare = 1.25;
const grownBytes = 32 * 1024 * 1024;

/**
 * Gives memory back after a burst. What a process allocated under load stays with it although most of it is garbage, and stays for ever when nothing comes
 * that makes the collector run: so once it is idle, and holds much more than it needed the last time, the collector is asked to save memory for half a minute.
 */
export class IdleMemory {
  readonly #options: IdleMemoryOptions;
  #timer: Timer | undefined;
  /** Of the last look. */
  #before: { readonly mono: number; readonly cpuUs: number };
  /** What the heap held when saving was over. */
  #neededBytes = 0;
  /** Looks until saving is over; 0: it is not under way. */
  #left = 0;

  constructor(options: IdleMemoryOptions) {
    this.#options = options;
    this.#before = this.#used();
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    if (this.#left > 0) this.#end();
  }

  #arm(): void {
    const look = (): void => {
      this.#look();
      this.#arm();
    };
    this.#timer = this.#options.clock.timer(lookEveryMs, look, true);
  }

  #look(): void {
    const { process } = this.#options;
    const share = this.#activeShare();
    if (this.#left > 0) {
      // Whoever works needs its memory, and is asked again when it is idle.
      if (share > busyShareMin) return this.#end();
      if (--this.#left > 0) return;
      this.#end();
      this.#neededBytes = process.memoryBytes().heapHeld;
      return;
    }
    if (share > idleShareMax) return;
    const { heapHeld } = process.memoryBytes();
    if (heapHeld < this.#neededBytes) this.#neededBytes = heapHeld;
    if (heapHeld <= this.#neededBytes * grownShare + grownBytes) return;
    this.#left = savingLooks;
    process.saveMemory(true);
  }

  #end(): void {
    this.#left = 0;
    this.#options.process.saveMemory(false);
  }

  /** Of one core, since the last look. */
  #activeShare(): number {
    const before = this.#before;
    this.#before = this.#used();
    return (this.#before.cpuUs - before.cpuUs) / 1_000 / Math.max(1, this.#before.mono - before.mono);
  }

  #used(): { readonly mono: number; readonly cpuUs: number } {
    return { mono: this.#options.clock.mono(), cpuUs: this.#options.process.cpuUs() };
  }
}
