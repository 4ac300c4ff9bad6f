/**
 * Something that lives long: it is started once, stopped once, and quiet after `stop()` has resolved.
 * Both calls may be repeated without harm.
 */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts in the order given; when one fails, those that had started are stopped in reverse and the error goes on. */
export async function startAll(services: readonly Service[]): Promise<void> {
  const started: Service[] = [];
  for (const service of services) {
    try {
      await service.start();
      started.push(service);
    } catch (error) {
      await stopAll(started);
      throw error;
    }
  }
}

/** Stops in reverse order; one that fails does not keep the others from stopping. */
export async function stopAll(services: readonly Service[]): Promise<void> {
  for (const service of [...services].reverse()) {
    await service.stop().catch(() => undefined);
  }
}
