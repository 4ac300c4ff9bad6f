export interface WaitOptions {
  /** Said in the error: "waited 5000 ms for …". */
  what: string;
  timeoutMs?: number;
  intervalMs?: number;
}

/**
 * Waits until `condition` answers something truthy and returns that. Meant for states that no event tells of. A condition
 * that throws counts as not met; its last error is the cause when the time is up.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 30_000, intervalMs = 20 }: WaitOptions,
): Promise<NonNullable<Exclude<T, false | 0 | ''>>> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      last = await condition();
      if (last) return last as NonNullable<Exclude<T, false | 0 | ''>>;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= end) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${seen}`, { cause: last });
    }
    await new Promise(resolve => setTimeout(resolve, intervalMs));
  }
}
