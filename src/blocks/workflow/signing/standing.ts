import type { HistoryEvent } from '../../../contracts/workflow.ts';
import type { Chain } from './chain.ts';

/** The begin of a history. */
export type Started = Extract<HistoryEvent, { readonly type: 'executionStarted' }>;

/** How the history of an instance in memory stands where signatures matter. */
export type Standing =
  | {
      readonly kind: 'good';
      readonly chain: Chain;
      /** Certificates of results that the turn under way took: they go into the table with it. */
      readonly absorbing?: readonly Buffer[];
    }
  | Held
  | Broken;

/** It cannot be run with the settings of this runtime. Nobody changed it. */
export interface Held {
  readonly kind: 'held';
  readonly why: string;
}

/** Somebody else changed it. */
export interface Broken {
  readonly kind: 'broken';
  readonly problem: string;
  /** How it began, when that much is still proven. */
  readonly start?: Started;
}
