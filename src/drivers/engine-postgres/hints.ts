import type { HintBoard } from '../../contracts/engine-hints.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Database } from '../../clients/postgres/database.ts';
import { keyBytes } from './group.ts';
import { unquoted } from './schema-name.ts';

export interface HintOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly board: HintBoard;
  readonly schema: string;
  /** Tells this engine's own notices from others'. */
  readonly self: string;
  readonly pollMs: number;
}

/** `all`: too much changed to name it, or a range was deleted. */
interface Notice {
  readonly from: string;
  readonly probe?: true;
  readonly all?: true;
  readonly keys?: readonly string[];
  readonly logs?: readonly string[];
}

// The server refuses payloads of 8,000 bytes.
const payloadCharsMax = 7_800;
/** Each takes at least a quote, another, a comma and four characters. */
const namesMax = payloadCharsMax / 7;
const gatherMs = 10;
const probeMs = 2_000;
const listenedPollMs = 5_000;

/**
 * Hints between engines. Changes are gathered and leave as one NOTIFY in a transaction of its own (inside the commit it would make
 * all commits of the server queue). They arrive by LISTEN on a session of its own; a pooler that swallows them is found out by a
 * probe, and then polling alone serves. Polling goes on slowly even when notices arrive.
 */
export class PostgresHints {
  readonly #options: HintOptions;
  readonly #channel: string;
  #keys = new Set<Key>();
  #logs = new Set<Key>();
  #all = false;
  #gather: Timer | undefined;
  #poll: Timer | undefined;
  #probe: Timer | undefined;
  #retry: Timer | undefined;
  #session: ReturnType<Database['session']> | undefined;
  #heard = false;
  #polling = false;
  #closed = false;
  #version: string | undefined;
  #heads = new Map<Key, string>();

  constructor(options: HintOptions) {
    this.#options = options;
    this.#channel = `proa_${unquoted(options.schema)}`;
  }

  /** Committed here: tell local watchers now and others soon. */
  committed(keys: readonly Key[], logs: readonly Key[], range: boolean): void {
    const { board } = this.#options;
    board.fire(range ? [] : keys, logs);
    if (range) board.firePrefixes();
    this.#all ||= range;
    if (!this.#all) this.#remember(keys, logs);
    if (this.#closed || this.#gather !== undefined || (!this.#all && this.#keys.size + this.#logs.size === 0)) return;
    this.#gather = this.#options.clock.timer(gatherMs, () => void this.#send(), true);
  }

  /** More names than a notice has room for need not be kept. */
  #remember(keys: readonly Key[], logs: readonly Key[]): void {
    for (const key of keys) this.#keys.add(key);
    for (const log of logs) this.#logs.add(log);
    if (this.#keys.size + this.#logs.size > namesMax) this.#all = true;
  }

  /** Begins to listen and poll; called when the first watcher comes. */
  start(): void {
    if (this.#closed || this.#poll !== undefined) return;
    void this.#listen();
    this.#schedulePoll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#gather, this.#poll, this.#probe, this.#retry]) timer?.cancel();
    const session = this.#session;
    this.#session = undefined;
    await session?.end().catch(() => {});
  }

  async #send(): Promise<void> {
    const from = this.#options.self;
    const text = this.#all ? '' : JSON.stringify({ from, keys: namesOf(this.#keys), logs: namesOf(this.#logs) } satisfies Notice);
    this.#keys = new Set();
    this.#logs = new Set();
    const payload = text === '' || text.length > payloadCharsMax ? JSON.stringify({ from, all: true }) : text;
    this.#all = false;
    await this.#notify(payload);
    this.#gather = undefined;
    if (!this.#closed && (this.#all || this.#keys.size + this.#logs.size > 0))
      this.#gather = this.#options.clock.timer(gatherMs, () => void this.#send(), true);
  }

  /** A notice that is lost is made up for by polling: it must not make the groups wait for a sync of its own. */
  async #notify(payload: string): Promise<void> {
    await this.#options.database.run(`select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`, [this.#channel, payload]);
  }

  async #listen(): Promise<void> {
    const session = this.#options.database.session();
    this.#session = session;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#heard = false;
      if (this.#session === session) this.#session = undefined;
      session.end().catch(() => {});
      // What was missed meanwhile is not known.
      this.#options.board.fireAll();
      if (!this.#closed) this.#retry = this.#options.clock.timer(1_000, () => void this.#listen(), true);
    };
    session.on('error', end);
    session.on('end', end);
    session.on('notification', (message) => this.#received(message.payload ?? ''));
    try {
      await session.connect();
      await session.query(`listen "${this.#channel}"`);
    } catch {
      return end();
    }
    if (this.#closed) return end();
    this.#options.board.fireAll();
    this.#probe = this.#options.clock.timer(probeMs, () => this.#judgeProbe(session), true);
    await this.#notify(JSON.stringify({ from: this.#options.self, probe: true }));
  }

  /** Silence means that something between swallows notices: give the session up and poll. */
  #judgeProbe(session: ReturnType<Database['session']>): void {
    if (this.#heard || this.#session !== session) return;
    this.#session = undefined;
    session.removeAllListeners('end');
    session.end().catch(() => {});
  }

  #received(payload: string): void {
    let notice: Notice;
    try {
      notice = JSON.parse(payload) as Notice;
    } catch {
      return;
    }
    this.#heard = true;
    if (notice.probe === true || notice.from === this.#options.self) return;
    if (notice.all === true) return this.#options.board.fireAll();
    const keys = (names: readonly string[] = []): Key[] => names.map((name) => Buffer.from(name, 'base64').toString('latin1'));
    this.#options.board.fire(keys(notice.keys), keys(notice.logs));
  }

  #schedulePoll(): void {
    const delayMs = this.#heard ? listenedPollMs : this.#options.pollMs;
    this.#poll = this.#options.clock.timer(delayMs, () => void this.#pollOnce(), true);
  }

  async #pollOnce(): Promise<void> {
    if (this.#options.board.watching && !this.#polling) {
      this.#polling = true;
      await this.#compare();
      this.#polling = false;
    }
    if (!this.#closed) this.#schedulePoll();
  }

  /** Every put and delete moves the counter of versions, every append the head of its log. */
  async #compare(): Promise<void> {
    const { database, board, schema } = this.#options;
    const result = await database.run(
      `select last_value::text, array(select encode(log, 'hex') || ':' || head from ${schema}.logs where log = any($1)) from ${schema}.versions`,
      [[...board.logs()].map(keyBytes)],
    );
    if (result.status !== 'done') return;
    const [version, heads] = result.rows[0] as [string, string[]];
    if (version !== this.#version) board.firePrefixes();
    this.#version = version;
    const before = this.#heads;
    this.#heads = new Map();
    for (const text of heads) {
      const [name, head] = text.split(':') as [string, string];
      const log = Buffer.from(name, 'hex').toString('latin1');
      this.#heads.set(log, head);
      if (before.get(log) !== head) board.fire([], [log]);
    }
  }
}

function namesOf(keys: ReadonlySet<Key>): string[] {
  return Array.from(keys, (key) => keyBytes(key).toString('base64'));
}
