import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `bindings.cron`. */
export const config = v.strictObject({
  /** Five or six fields (seconds first), `@every <Go duration>`, or `@hourly` and its like; `CRON_TZ=<zone>` may stand in front. */
  schedule: v.pipe(text(), v.nonEmpty('must hold a schedule such as "@every 1m" or "0 30 * * * *"')),
});
