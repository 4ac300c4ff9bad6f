import { EventEmitter } from 'node:events';
import type { Timestamp } from 'bson';
import type { Value } from '../documents/value.ts';

/** What happened to one document or namespace, as the change streams tell it. */
export interface Event {
  readonly kind: 'insert' | 'update' | 'replace' | 'delete' | 'drop' | 'rename' | 'dropDatabase';
  readonly ns: string;
  readonly id?: Value | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  readonly to?: string | undefined;
}

/** What the events of one frame have in common. */
export interface Moment {
  /** Where in the journal the frame ends: a stream shows its events only when that is durable. */
  readonly position: number;
  readonly time: Timestamp;
  readonly wallTime: Date;
  readonly transaction: { readonly lsid: Value; readonly number: Value } | undefined;
}

export interface Logged extends Event, Moment {
  readonly seq: number;
}

const MOST_EVENTS = 20_000;
const MOST_BYTES = 64 * 1024 * 1024;
const size = ({ before, after }: Logged): number => 200 + (before?.length ?? 0) + (after?.length ?? 0);

/** The last events, oldest first. Who asks for older ones is told so (286), never given a gap. */
export class EventLog {
  /** Says `change` when more may be shown. */
  readonly news = new EventEmitter().setMaxListeners(0);
  readonly #events: Logged[] = [];
  #bytes = 0;
  /** The last event that may be shown. */
  shown = 0;
  next = 1;
  /** Everything before this was forgotten. */
  oldest = 1;

  add(event: Event, moment: Moment): void {
    const { kind, ns, id, before, after, to } = event;
    const { position, time, wallTime, transaction } = moment;
    // By name: there is one for every write, and spreading two objects takes three times as long.
    const seq = this.next++;
    const added = { seq, kind, ns, id, before, after, to, position, time, wallTime, transaction };
    this.#events.push(added);
    this.#bytes += size(added);
    // A tenth at a time: taking only the first would move all the others every time.
    while (this.#events.length > MOST_EVENTS * 1.1 || this.#bytes > MOST_BYTES)
      for (const forgotten of this.#events.splice(0, Math.ceil(this.#events.length / 10))) {
        this.#bytes -= size(forgotten);
        this.oldest = forgotten.seq + 1;
      }
  }

  /** Events up to this journal position may be shown now. */
  reveal(position: number): void {
    const { shown } = this;
    for (const { seq, position: end } of this.#from(shown)) {
      if (end > position) break;
      this.shown = seq;
    }
    if (this.shown > shown) this.news.emit('change');
  }

  /** The shown events after `seq`, oldest first. */
  *after(seq: number): Generator<Logged> {
    for (const logged of this.#from(seq)) {
      if (logged.seq > this.shown) return;
      yield logged;
    }
  }

  *#from(seq: number): Generator<Logged> {
    for (let i = Math.max(0, seq + 1 - this.oldest); i < this.#events.length; i++) yield this.#events[i] as Logged;
  }
}
