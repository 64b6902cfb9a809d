import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import type { Govern } from './governance.ts';
import type { Metrics } from './metrics.ts';

/** What every block is built from. A block belongs to one app's runtime. */
export interface BlockContext {
  readonly ports: Ports;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly appId: string;
  readonly namespace: string;
  readonly govern: Govern;
}
