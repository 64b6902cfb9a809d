import type { CommitResult } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { type Database, type StatementResult } from '../../clients/postgres/database.ts';
import { statementError } from './statement-error.ts';
import { createGroupRoom, decodeAnswer, type EncodedCommit, groupParameters } from './group.ts';

interface Waiting {
  readonly commit: EncodedCommit;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriterOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly schema: string;
  /** Commits that wait; beyond them a commit fails with `overloaded`. */
  readonly waitingMax: number;
  /** Told after each answer: the database's time, and when the statement was sent on the monotonic clock. */
  readonly answered: (nowMs: number, sentMono: number) => void;
}

const groupCommitsMax = 256;
const groupOpsMax = 4_096;
const groupBytesMax = 8 * 1024 * 1024;
const repeatsMax = 5;
/** Serialisation failure and deadlock: the server undid the transaction and asks to repeat it. */
const repeatable = new Set(['40001', '40P01']);
/** The session does not know the statement's name, or knows it already: somebody between gives sessions to others in turn. */
const unnameable = new Set(['26000', '42P05']);

/**
 * Sends commits in groups, one group at a time, so that a commit is judged after all that were queued before it. What arrives
 * while a group is under way forms the next one; there is no timer.
 */
export class GroupWriter {
  readonly #options: WriterOptions;
  readonly #text: string;
  /** The same name always means the same text, whoever else shares a session behind a pooler. */
  readonly #name: string;
  #named = true;
  // One group is under way at a time.
  readonly #room = createGroupRoom();
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  commits = 0;
  groups = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#name = `proa_${options.schema}_commit_2`;
    this.#text = `select ${options.schema}.commit_2($1, $2, $3, $4, $5, $6, $7, $8)::text`;
  }

  commit(commit: EncodedCommit): Promise<CommitResult> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#waiting.length >= this.#options.waitingMax) {
      return Promise.reject(new ProaError('overloaded', `${this.#waiting.length} commits are waiting for PostgreSQL already`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commit, resolve, reject });
      this.#running ??= this.#pump();
    });
  }

  /** Refuses what waits and lets the group under way end. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(closedError());
    await this.#running;
  }

  async #pump(): Promise<void> {
    await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#send(group);
      } catch (error) {
        for (const waiting of group) waiting.reject(ProaError.from(error));
      }
    }
    this.#running = undefined;
  }

  #takeGroup(): Waiting[] {
    let ops = 0;
    let bytes = 0;
    let count = 0;
    for (const { commit } of this.#waiting) {
      ops += commit.ops.length / 6;
      bytes += commit.bytes.length;
      if (count > 0 && (ops > groupOpsMax || bytes > groupBytesMax)) break;
      if (++count === groupCommitsMax) break;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(group: readonly Waiting[]): Promise<void> {
    const { clock } = this.#options;
    const parameters = groupParameters(
      group.map((waiting) => waiting.commit),
      this.#room,
    );
    let sentMono = clock.mono();
    let result: StatementResult = await this.#run(parameters);
    for (let i = 0; i < repeatsMax && result.status === 'refused' && repeatable.has(result.sqlState); i++) {
      sentMono = clock.mono();
      result = await this.#run(parameters);
    }
    if (result.status === 'done') return this.#settle(group, (result.rows[0] as [string])[0], sentMono);
    // Whatever the server has against one commit must not hurt its neighbours.
    if (result.status === 'refused' && group.length > 1 && !isTransient(result.sqlState)) {
      for (const waiting of group) await this.#send([waiting]);
      return;
    }
    for (const { resolve, reject } of group) {
      if (result.status === 'lost') resolve({ status: 'unknown', cause: result.error });
      else reject(statementError(result, 'committing'));
    }
  }

  /** Parsed once per session; a pooler that does not keep statements with clients says so at the first group that it matters to. */
  async #run(parameters: readonly unknown[]): Promise<StatementResult> {
    const { database } = this.#options;
    if (this.#named) {
      const result = await database.runNamed(this.#name, this.#text, parameters);
      if (result.status !== 'refused' || !unnameable.has(result.sqlState)) return result;
      this.#named = false;
    }
    return database.run(this.#text, parameters);
  }

  #settle(group: readonly Waiting[], answer: string, sentMono: number): void {
    const { nowMs, results } = decodeAnswer(answer, group.length);
    this.#options.answered(nowMs, sentMono);
    this.commits += group.length;
    this.groups++;
    for (const [i, { resolve }] of group.entries()) resolve(results[i] as CommitResult);
  }
}

/** Lock timeouts, missing resources and interventions concern the server, not the commits. */
function isTransient(sqlState: string): boolean {
  return ['40', '53', '55', '57', '58', '25'].includes(sqlState.slice(0, 2));
}

function closedError(): ProaError {
  return new ProaError('engine.unavailable', 'the engine is closed');
}
