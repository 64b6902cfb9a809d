/** Tells whoever wants to know what a handler threw. Never fails. */
export type Told = (error: unknown, what: string) => void;

export function telling(onError: Told = () => {}): Told {
  return (error, what) => {
    try {
      onError(error, what);
    } catch {
      // It was to be told, no more.
    }
  };
}

/** What a handler answers; what it throws is told, and thrown on. */
export async function heard<T>(told: Told, what: () => string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    told(error, what());
    throw error;
  }
}
