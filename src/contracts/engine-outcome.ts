import { ProaError } from '../kernel/errors.ts';

/** `engine.outcome-unknown` for a commit that was answered `unknown`: what is uncertain, and what made it so (a full disk, a lost owner). */
export function outcomeUnknown(what: string, cause: unknown): ProaError {
  return new ProaError('engine.outcome-unknown', cause instanceof Error ? `${what}: ${cause.message}` : what, { cause });
}
