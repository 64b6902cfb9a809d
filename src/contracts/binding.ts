import type { Cancellation } from '../kernel/cancel.ts';
import type { Metadata } from './state.ts';

export interface BindingRequest {
  readonly operation: string;
  readonly data: Uint8Array;
  readonly metadata: Metadata;
}

export interface BindingResponse {
  readonly data?: Uint8Array;
  readonly contentType?: string;
  readonly metadata?: Metadata;
}

/** A failure that still carries response metadata (a status of an HTTP target); fronts send it beside the error. */
export class BindingError extends Error {
  readonly metadata: Metadata;
  constructor(message: string, metadata: Metadata, options?: ErrorOptions) {
    super(message, options);
    this.metadata = metadata;
  }
}

export interface OutputBinding {
  /** Names of operations; others are refused by the block. */
  readonly operations: readonly string[];
  invoke(request: BindingRequest, cancel: Cancellation): Promise<BindingResponse>;
}

export interface BindingEvent {
  readonly data: Uint8Array;
  readonly metadata: Metadata;
  readonly contentType?: string;
}

export interface InputBinding {
  /**
   * Starts reading. `deliver` resolves with the app's answer and rejects when the app failed: what happens then (redelivery, or
   * nothing, as for cron) is the driver's affair. The returned function stops reading and waits for deliveries under way.
   */
  read(deliver: (event: BindingEvent) => Promise<BindingResponse>): Promise<() => Promise<void>>;
}
