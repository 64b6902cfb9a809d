import { contextKey } from './context.ts';

/** Which attempt a call is: 0 for the first. Balancers look at it to go elsewhere. */
export const attemptKey = contextKey<number>('attempt', 0);
