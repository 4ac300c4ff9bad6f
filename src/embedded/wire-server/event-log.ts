import type { Timestamp } from 'bson';
import { firstFrom } from './sorted-keys.ts';
import type { Value } from './value.ts';

/** What happened to one document or namespace, as the change streams tell it. */
export interface Event {
  readonly seq: number;
  /** Where in the journal it ends: a stream shows it only when that is durable. */
  readonly position: number;
  readonly kind: 'insert' | 'update' | 'replace' | 'delete' | 'drop' | 'rename' | 'dropDatabase';
  readonly db: string;
  readonly collection: string;
  readonly id?: Value | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  readonly to?: string | undefined;
  readonly time: Timestamp;
  readonly wallTime: Date;
  readonly transaction: { readonly lsid: Value; readonly number: bigint } | undefined;
}

/** What events have from their frame, and everything else about them. */
type FrameOf = Pick<Event, 'position' | 'time' | 'wallTime' | 'transaction'>;
export type Happening = Omit<Event, 'seq' | keyof FrameOf>;

/** Those who want to know of something; they must say when they no longer do, or they pile up. */
export class Listeners {
  readonly #all = new Set<() => void>();

  add(listener: () => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  call(): void {
    for (const listener of this.#all) listener();
  }
}

const MOST_EVENTS = 20_000;
const MOST_BYTES = 64 * 1024 * 1024;
const size = (event: Event): number => 200 + (event.before?.length ?? 0) + (event.after?.length ?? 0);

/** The last events, oldest first. Who asks for older ones is told so (286), never given a gap. */
export class EventLog {
  #events: Event[] = [];
  #dropped = 0;
  #bytes = 0;
  /** The last event that may be shown. */
  shown = 0;
  next = 1;
  /** Everything before this was forgotten. */
  oldest = 1;
  readonly listeners = new Listeners();

  add(happening: Happening, frame: FrameOf): void {
    const { kind, db, collection, id, before, after, to } = happening;
    const { position, time, wallTime, transaction } = frame;
    const seq = this.next++;
    // All of one shape, and made at once: recovery makes one for every write there ever was.
    const added = { seq, kind, db, collection, id, before, after, to, position, time, wallTime, transaction };
    this.#events.push(added);
    this.#bytes += size(added);
    while (this.#events.length - this.#dropped > MOST_EVENTS || this.#bytes > MOST_BYTES) {
      const forgotten = this.#events[this.#dropped++] as Event;
      this.#bytes -= size(forgotten);
      this.oldest = forgotten.seq + 1;
    }
    // Shifting an array one by one would copy it every time.
    if (this.#dropped <= MOST_EVENTS / 10) return;
    this.#events = this.#events.slice(this.#dropped);
    this.#dropped = 0;
  }

  /** Events up to this journal position may be shown now. */
  reveal(position: number): void {
    const { shown } = this;
    for (let i = this.#indexOf(shown + 1); (this.#events[i]?.position ?? Infinity) <= position; i++)
      this.shown = (this.#events[i] as Event).seq;
    if (this.shown > shown) this.listeners.call();
  }

  #indexOf(seq: number): number {
    return firstFrom(this.#dropped, this.#events.length, i => (this.#events[i] as Event).seq >= seq);
  }

  /** The shown events after `seq`, oldest first. */
  *after(seq: number): Generator<Event> {
    for (let i = this.#indexOf(seq + 1); (this.#events[i]?.seq ?? Infinity) <= this.shown; i++)
      yield this.#events[i] as Event;
  }
}
