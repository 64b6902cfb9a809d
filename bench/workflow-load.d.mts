export function measure(one: () => Promise<void>, seconds: number, lanes: number): Promise<void>;
