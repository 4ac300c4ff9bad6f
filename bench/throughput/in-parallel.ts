/** Does `work` for 0 … count − 1, `inFlight` at a time. */
export async function inParallel(count: number, inFlight: number, work: (n: number) => Promise<void>): Promise<void> {
  const numbers = Array(count).keys();
  const lane = async () => {
    for (const n of numbers) await work(n);
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane));
}
