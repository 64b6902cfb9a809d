import type { Commit, CommitResult, Engine } from '../contracts/engine.ts';

/** An engine under test, fresh and empty, and what the suite may do to it. */
export interface EngineUnderTest {
  readonly engine: Engine;
  /** A second object over the same data and the same clock: what another process has. Closed by `destroy`. */
  readonly second?: () => Promise<Engine>;
  /** Closes the engine in order and opens the same data again. */
  readonly reopen?: () => Promise<Engine>;
  /** Ends the engine as a crash does, without warning, and opens the same data again. */
  readonly crash?: () => Promise<Engine>;
  /** Moves the engine's clock forwards; engines without it wait for real time. */
  readonly advance?: (ms: number) => void;
  readonly destroy: () => Promise<void>;
}

/** What a test of the suite works with. */
export interface EngineRig {
  readonly under: EngineUnderTest;
  engine: Engine;
  /** Lets `ms` pass on the engine's clock. */
  readonly pass: (ms: number) => Promise<void>;
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The text of bytes; undefined stays undefined. */
export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

/** The result of a commit that must succeed. */
export async function done(engine: Engine, commit: Commit): Promise<Extract<CommitResult, { status: 'done' }>> {
  const result = await engine.commit(commit);
  if (result.status !== 'done') throw new Error(`expected done, got ${JSON.stringify(result)}`);
  return result;
}
