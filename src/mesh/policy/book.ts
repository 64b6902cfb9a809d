import { noPolicies, type PolicyDocument } from './model.ts';
import { PolicyStates } from './states.ts';

/** One version of all policies of an app. Nothing in it changes. */
export interface PolicyEpoch {
  readonly number: number;
  readonly document: PolicyDocument;
}

/**
 * The policies of one app. Stacks are compiled from an epoch and hold on to it, so a call sees one epoch from its start to its end; a reload puts
 * another one in its place with one assignment.
 */
export class PolicyBook {
  readonly states = new PolicyStates();
  epoch: PolicyEpoch = { number: 0, document: noPolicies };

  constructor(document: PolicyDocument = noPolicies) {
    this.epoch = { number: 0, document };
  }

  /** Calls that begin from now on see `document`. */
  turn(document: PolicyDocument): void {
    this.states.turn();
    this.epoch = { number: this.epoch.number + 1, document };
  }
}
