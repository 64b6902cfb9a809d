import * as v from 'valibot';
import { etcdProperties } from '../../clients/etcd/properties.ts';

/** `configuration.etcd`, Proa's own. */
export const config = v.strictObject(etcdProperties);
