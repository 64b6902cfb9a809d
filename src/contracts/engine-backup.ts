import type { Engine } from './engine.ts';

/** What a backup holds. */
export interface BackupSummary {
  readonly files: number;
  readonly bytes: number;
  /** The engine's time of the last commit that is in it, at least. */
  readonly timeMs: number;
}

/** An engine that can copy itself while it works. */
export interface BackupSource extends Engine {
  /**
   * Copies everything that was acknowledged before the call into an empty directory of the owner's machine (an absolute path); commits go on
   * meanwhile. Fails with `config.invalid` when the directory is not empty.
   */
  backup(to: string): Promise<BackupSummary>;
}

/** True for an engine that keeps its own files; a database brings its own tools. */
export function canBackUp(engine: Engine): engine is BackupSource {
  return 'backup' in engine;
}
