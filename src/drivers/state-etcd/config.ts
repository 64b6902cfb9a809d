import * as v from 'valibot';
import { etcdProperties } from '../../clients/etcd/properties.ts';
import { wholeNumber } from '../../kernel/schema.ts';

/** `state.etcd` with Dapr's properties. */
export const config = v.strictObject({
  ...etcdProperties,
  /** Operations of one transaction, at most: the server's `--max-txn-ops`. */
  maxTxnOps: v.optional(wholeNumber(1, 10_000), '128'),
});
