import type { Service } from '../../kernel/service.ts';
import type { BindingRequest, BindingResponse } from '../../contracts/binding.ts';

/** Bindings (Dapr reference 4.3, 5.6, 12.3). Input bindings run between `start` and `pause`. */
export interface BindingsBlock {
  readonly invoke: Service<BindingRequest & { readonly name: string }, BindingResponse>;
  start(): Promise<void>;
  pause(graceMs: number): Promise<void>;
  close(): Promise<void>;
}

export { createBindingsBlock, type BindingsBlockDeps } from './bindings-block.ts';
export { failureMetadata } from './output.ts';
export type { SaveState } from './delivery.ts';
