import type { FailureDetails, StartedEvent, WorkflowAction, WorkflowInstance } from '../../contracts/workflow.ts';
import type { StepContext } from './context.ts';
import type { Execution } from './execution.ts';

/** How an operation ended. */
export type Outcome = { readonly result: string | undefined } | { readonly failure: FailureDetails };

/** A step that is under way: the function is only here. */
export interface OpenStep {
  readonly name: string;
  readonly label: string;
  readonly attempt: number;
  readonly timeoutMs: number | undefined;
  readonly run: (step: StepContext) => unknown;
}

type WithoutId<A> = A extends unknown ? Omit<A, 'id'> : never;
/** An action without its id. */
export type NewAction = WithoutId<Exclude<WorkflowAction, { type: 'complete' | 'versionNotAvailable' }>>;

export type AnyFunction = (...args: never[]) => unknown;

export interface OperationOptions {
  /** What runs it, when it runs in this process. */
  readonly step?: OpenStep;
  /** The code does not wait for it alone. */
  readonly aside?: boolean;
  /** The function that the code called: what called it is told when the code does not fit. */
  readonly from?: AnyFunction;
  /** Told the id at once. */
  readonly opened?: (id: number) => void;
}

/** What an execution runs. */
export interface Program {
  /** What people call it, in messages. */
  readonly title: string;
  /** Called once, with the input. What it answers or throws is the end of the run. */
  main(started: StartedEvent, execution: Execution): Promise<unknown>;
}

export interface ExecutionOptions {
  readonly instance: Required<WorkflowInstance>;
  readonly program: Program;
  /** Runs the code; the guard's scope is around it. */
  readonly scope?: <T>(execution: Execution, run: () => T) => T;
  /** Warnings for the people who run it; not repeated in replays. */
  readonly warn?: (message: string) => void;
}

/** The event that cancels a run. */
export const cancelEvent = 'proa.cancel';
