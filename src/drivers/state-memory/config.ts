import * as v from 'valibot';
import { byteSize } from '../../kernel/schema.ts';

/** `state.in-memory`: nothing is needed. `bytesMax` bounds keys and values together; writes beyond it fail. */
export const config = v.strictObject({ bytesMax: v.optional(byteSize(), '512Mi') });
