/** Resolves when nothing is left to do in this turn of the event loop's microtasks: ticks come after all of them, those that microtasks add included. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}
