import type { Put } from '../../contracts/engine.ts';
import type { Core } from './core.ts';
import { encodeLine } from './history-lines.ts';
import { encodeMail, type LiveInstance } from './live-instance.ts';
import { commitAhead } from './postman.ts';

const afterMs = 100;
const portion = 200;

/**
 * Mail that is only in memory: results of activities and timers go straight into the next turn's commit. When that turn does not come at once, because the
 * workers are busy or gone, they are written to the inbox instead.
 */
export class Exposed {
  readonly #core: Core;
  readonly #lives = new Set<LiveInstance>();
  readonly #written: (live: LiveInstance) => void;
  #timer: { cancel(): void } | undefined;

  /** `written`: what was withheld from turns while it got its keys is there again. */
  constructor(core: Core, written: (live: LiveInstance) => void) {
    this.#core = core;
    this.#written = written;
  }

  /** The instance got mail without a key. */
  watch(live: LiveInstance): void {
    this.#lives.add(live);
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#lives.clear();
  }

  #arm(): void {
    if (this.#lives.size === 0 || this.#core.closed) return;
    this.#timer ??= this.#core.clock.timer(
      afterMs,
      () => {
        this.#timer = undefined;
        void this.#sweep().finally(() => this.#arm());
      },
      true,
    );
  }

  async #sweep(): Promise<void> {
    const now = this.#core.clock.mono();
    for (const live of this.#lives) {
      const exposed = live.inbox.filter(({ key }) => key === undefined);
      if (live.gone || exposed.length === 0) this.#lives.delete(live);
      else if (exposed.some(({ sinceMs, taken }) => taken !== true && now - sinceMs >= afterMs)) await this.persist(live).catch(() => {});
    }
  }

  /** Gives keys to what waits and is not part of a turn under way. Fails with the engine's error; nothing is lost then. */
  async persist(live: LiveInstance): Promise<void> {
    const items = live.inbox.filter(({ key, taken }) => key === undefined && taken !== true).slice(0, portion);
    if (items.length === 0) return;
    const { engine, keys, random } = this.#core;
    const puts: Put[] = [];
    const parts: Put[] = [];
    const blobs: (string | undefined)[] = [];
    for (const item of items) {
      item.taken = true;
      let blob: string | undefined;
      const encoded = encodeLine(item.event, { keys, id: live.id, scope: 'mail', newBlob: () => (blob = random.hex(16)) });
      const order = `${puts.length.toString(16).padStart(8, '0')}${random.hex(8)}`;
      puts.push({ key: keys.inbox(live.id, engine.now(), order), value: encodeMail(item, encoded.line, blob) });
      parts.push(...encoded.parts);
      blobs.push(blob);
    }
    try {
      await commitAhead(engine, parts);
      const ready: Put = { key: keys.ready(live.shard, live.id), value: new Uint8Array(0) };
      const result = await engine.commit({ if: [live.home.condition], put: [...puts, ready] });
      if (result.status !== 'done') return;
      live.marked();
      items.forEach((item, i) => {
        item.key = (puts[i] as Put).key;
        if (blobs[i] !== undefined) Object.assign(item, { blob: blobs[i] });
        item.settled?.('kept');
        delete item.settled;
      });
    } finally {
      for (const item of items) item.taken = false;
      this.#written(live);
    }
  }
}
