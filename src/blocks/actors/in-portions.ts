/** Runs `work` for every element, at most `atOnce` at a time. `work` must not fail. */
export async function inPortions<T>(elements: readonly T[], atOnce: number, work: (element: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < elements.length) await work(elements[next++] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, elements.length) }, lane));
}
