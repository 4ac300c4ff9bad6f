import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { JobEvents } from './job-events.ts';

/** The one subscriber that logs: a line at the start and one at the end of every run; an idle process is silent. */
export function logJobEvents(events: JobEvents, logger: Logger): void {
  const log = logger.child({ component: 'jobs' });
  const faults = new FaultLog(logger);
  events.on('started', event => log.info(event, 'job started'));
  events.on('ended', event => {
    if (event.status === 'completed') log.info(event, 'job completed');
    else if (event.status === 'failed') log.error(event, 'job failed');
    else if (event.status === 'cancelled') log.info(event, 'job cancelled');
    else if (event.via === 'T9') log.info(event, 'job handed back');
    else log.warn(event, 'job will be retried');
  });
  events.on('lost', event => log.warn(event, 'run lost: its outcome was dropped, another run owns the job'));
  events.on('stale', event => log.debug(event, 'stale delivery ignored'));
  events.on('returned', event => log.warn(event, 'job returned unstarted'));
  events.on('rescued', event => log.warn(event, 'job rescued from a vanished worker'));
  events.on('released', event => log.info(event, 'claimed jobs returned: the engine does not have them'));
  events.on('expired', event => log.warn(event, 'jobs expired before their start'));
  events.on('loaded', event => log.debug(event, 'batch loaded'));
  events.on('zombie', event => log.warn(event, 'a handler goes on after its run has ended'));
  events.on('lag', event => log.warn(event, 'the event loop was blocked: use isolate or a longer lease'));
  events.on('drift', event => log.warn(event, 'drift: the ledger is not as it should be; see `ledgermq verify`'));
  events.on('fault', ({ component, error }) => faults.log(component, error));
}

const QUIET_MS = 10_000;

/** The same fault of the same component is logged once in ten seconds: an outage is one line, not a thousand. */
class FaultLog {
  readonly #logger: Logger;
  readonly #last = new Map<string, { at: number; silenced: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  log(component: string, error: unknown): void {
    const message = messageOf(error);
    const key = `${component}\n${message}`;
    const now = performance.now();
    const last = this.#last.get(key);
    if (last && now - last.at < QUIET_MS) {
      last.silenced += 1;
      return;
    }
    if (this.#last.size > 200) this.#last.clear();
    this.#last.set(key, { at: now, silenced: 0 });
    this.#logger.warn({ component, error: message, ...(last?.silenced ? { silenced: last.silenced } : {}) }, 'fault');
  }
}
