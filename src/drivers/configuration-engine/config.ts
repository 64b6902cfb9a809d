import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `configuration.proa`: nothing is needed. Two components with the same `space` (by default the component's name) share their items. */
export const config = v.strictObject({ space: v.optional(text()) });
