import type { StartHost } from '../host/host-api.ts';
import type { Ports } from '../kernel/ports.ts';
import type { Command } from './command.ts';
import type { Output } from './output.ts';
import type { ParsedArgs } from './parse-args.ts';

/** What a program brings to the command line; tests bring their own. */
export interface Surroundings {
  readonly ports: Ports;
  /** Loads the host, which is large. */
  loadHost(): Promise<StartHost>;
  readonly version: string;
}

export interface CommandContext extends Surroundings {
  readonly command: Command;
  /** All commands, for help and completion. */
  readonly commands: readonly Command[];
  readonly args: ParsedArgs;
  readonly output: Output;
}

/** Exit codes, as help prints them. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unsatisfied: 3,
  notFound: 4,
  timeout: 5,
  unreachable: 6,
  internal: 70,
  notExecutable: 126,
  commandNotFound: 127,
} as const;
