import type { StickyKey } from '../balance/plan.ts';
import type { SplitShare } from '../../filters/split/split.ts';
import type { Priority } from '../../kernel/call.ts';

export interface AdmissionSettings {
  readonly algorithm: 'gradient2' | 'vegas';
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  readonly queueMax: number;
  readonly waitMaxMs: number;
  readonly shares: Readonly<Record<Priority, number>>;
}

export interface FaultSettings {
  readonly delay?: { readonly share: number; readonly minMs: number; readonly maxMs: number };
  /** With a status of HTTP, or a code of gRPC; components fail with `unavailable` whatever stands here. */
  readonly abort?: { readonly share: number; readonly status: number; readonly grpc?: number };
}

export interface TokenSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri?: string;
  readonly claims: Readonly<Record<string, readonly string[]>>;
}

export interface AuthoriseSettings {
  readonly action: 'allow' | 'deny';
  readonly dryRun: boolean;
  readonly token?: TokenSettings;
}

export interface SplitSettings {
  readonly targets: readonly SplitShare[];
  /** Absent: each call by itself. */
  readonly sticky?: StickyKey;
}

export interface MirrorSettings {
  readonly app: string;
  readonly share: number;
  readonly concurrencyMax: number;
}
