import { LogLevel } from '@dapr/dapr';

/** The SDK speaks when something is wrong only; otherwise the apps do. */
export const logger = { level: LogLevel.Error };
