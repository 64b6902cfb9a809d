import type { CommandContext } from '../context.ts';

/** The result of one look; `fix` says what to do when it is not `ok`. The shape is stable: `proa doctor --json` prints it. */
export interface Finding {
  readonly group: 'Machine' | 'Ports' | 'Data' | 'Runs' | 'Project';
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  readonly fix?: string;
}

export type Check = (context: CommandContext) => Promise<readonly Finding[]>;
