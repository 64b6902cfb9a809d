import { contextKey } from './context.ts';

/** Which attempt a call is: 0 for the first. Balancers look at it to go elsewhere. */
export const attemptKey = contextKey<number>('attempt', 0);

/** The input of the first attempt, and that of each that follows; undefined when there can be none. */
export interface Repeatable<In> {
  readonly first: In;
  again(): In | undefined;
}
