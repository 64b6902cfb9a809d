import type { Entry } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Timer } from '../../kernel/ports.ts';
import { Rounds } from '../../kernel/rounds.ts';
import { untuple } from '../../kernel/tuple.ts';
import type { Core } from './core.ts';
import { foreignBell } from './foreign-task.ts';
import { below } from './history-lines.ts';
import type { Postman } from './postman.ts';

const pollMs = 1_000;
const pageMax = 128;

export interface BellsParts {
  readonly core: Core;
  readonly postman: Postman;
  readonly rang: (id: string) => void;
  readonly foreign: (shard: OwnedShard) => void;
}

/** Hears what others put into inboxes of own shards, at a hint or at the next poll, and exchanges each bell for the mark of work under way. */
export class Bells {
  readonly #parts: BellsParts;
  readonly #rounds = new Rounds(() => this.#answerAll());
  readonly #unwatch: () => void;
  #timer: Timer | undefined;

  constructor(parts: BellsParts) {
    this.#parts = parts;
    this.#unwatch = parts.core.engine.watch(parts.core.keys.bells, () => this.listen());
    this.#poll();
  }

  /** Looks now. */
  listen(): void {
    const { log } = this.#parts.core;
    this.#rounds.ask((error) => log.warn('mail for workflows cannot be read', { error: ProaError.from(error).message }));
  }

  close(): void {
    void this.#rounds.close();
    this.#unwatch();
    this.#timer?.cancel();
  }

  #poll(): void {
    this.#timer = this.#parts.core.clock.timer(
      pollMs,
      () => {
        this.listen();
        this.#poll();
      },
      true,
    );
  }

  async #answerAll(): Promise<void> {
    const { core } = this.#parts;
    const { from: first, to } = below(core.keys.bells);
    let from = first;
    for (let more = true; more;) {
      const page = await core.engine.range({ from, to, limit: pageMax, keysOnly: true });
      await this.#answer(page.entries);
      const last = page.entries.at(-1);
      more = page.more && last !== undefined;
      if (last !== undefined) from = `${last.key}\x00`;
    }
  }

  async #answer(entries: readonly Entry[]): Promise<void> {
    const own = entries.flatMap((entry) => {
      const [index, id] = untuple(entry.key.slice(this.#parts.core.keys.bells.length)) as [number, string];
      const shard = this.#parts.core.owned(index);
      return shard === undefined ? [] : [{ entry, id, shard }];
    });
    if (own.length === 0 || (await this.#exchange(own))) return;
    // One that rang again meanwhile, or a shard that was lost, must not keep the others waiting.
    for (const one of own) await this.#exchange([one]);
  }

  async #exchange(rung: readonly { readonly entry: Entry; readonly id: string; readonly shard: OwnedShard }[]): Promise<boolean> {
    const { core, postman } = this.#parts;
    const ids = rung.filter(({ id }) => id !== foreignBell);
    const done = postman.enRoute(ids.map(({ id }) => id));
    try {
      const result = await core.engine.commit({
        if: [
          ...new Map(rung.map(({ shard }) => [shard.index, shard.condition])).values(),
          ...rung.map(({ entry: { key, version } }) => ({ kind: 'version', key, version }) as const),
        ],
        put: ids.map(({ id, shard }) => ({ key: core.keys.ready(shard.index, id), value: new Uint8Array(0) })),
        delete: rung.map(({ entry }) => entry.key),
      });
      if (result.status !== 'done') return false;
      for (const { id } of ids) this.#parts.rang(id);
      for (const { id, shard } of rung) if (id === foreignBell) this.#parts.foreign(shard);
      return true;
    } finally {
      done();
    }
  }
}
