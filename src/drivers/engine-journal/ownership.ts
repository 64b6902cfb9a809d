import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { fileNames, type Listing } from './format.ts';

/** Longer than this since the last look: somebody may have taken over meanwhile, so look before serving. */
const freshMs = 500;
/** Epoch files that stay, so that an owner that slept through many takeovers still finds its successor's. */
const epochsKept = 1024;

/** The right to write: it lasts until a newer epoch exists. */
export class Ownership {
  readonly epoch: number;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #successor: string;
  #checkedMono: number;
  lost = false;

  constructor(ports: { readonly disk: Disk; readonly clock: Clock }, directory: string, epoch: number) {
    this.epoch = epoch;
    this.#disk = ports.disk;
    this.#clock = ports.clock;
    this.#successor = `${directory}/${fileNames.epoch(epoch + 1)}`;
    this.#checkedMono = ports.clock.mono();
  }

  /** False after a stall: `check` must pass before anything is served. */
  get fresh(): boolean {
    return !this.lost && this.#clock.mono() - this.#checkedMono < freshMs;
  }

  /** Fails with `engine.unavailable` when a newer epoch exists. */
  check(): void {
    const mono = this.#clock.mono();
    if (!this.lost && !this.#disk.exists(this.#successor)) {
      this.#checkedMono = mono;
      return;
    }
    this.lost = true;
    throw new ProaError('engine.unavailable', `another process took the journal over from epoch ${this.epoch}`);
  }
}

/**
 * Takes the next epoch: whoever creates its file owns the journal from then on. With `after`, only the epoch that follows it: fails with
 * `engine.unavailable` when somebody was faster.
 */
export async function claimEpoch(
  ports: { readonly disk: Disk; readonly clock: Clock },
  directory: string,
  listing: Listing,
  after?: number,
): Promise<Ownership> {
  const written = listing.segments.map((segment) => segment.epoch);
  let epoch = Math.max(0, ...listing.epochs.slice(-1), ...written) + 1;
  if (after !== undefined && epoch !== after + 1) throw new ProaError('engine.unavailable', `another process claimed epoch ${epoch - 1}`);
  for (; ; epoch++) {
    try {
      const file = await ports.disk.open(`${directory}/${fileNames.epoch(epoch)}`, 'exclusive');
      await file.close();
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
      if (after !== undefined) throw new ProaError('engine.unavailable', `another process claimed epoch ${epoch} first`);
    }
  }
  await ports.disk.syncDirectory(directory);
  for (const old of listing.epochs) if (old < epoch - epochsKept) await ports.disk.remove(`${directory}/${fileNames.epoch(old)}`);
  return new Ownership(ports, directory, epoch);
}
