import type { Timestamp } from 'bson';
import type { Value } from './value.ts';

/** What happened to one document or namespace, as the change streams tell it. */
export interface Event {
  readonly seq: number;
  /** Where in the journal it ends: a stream shows it only when that is durable. */
  readonly position: number;
  readonly kind: 'insert' | 'update' | 'replace' | 'delete' | 'drop' | 'rename' | 'dropDatabase';
  readonly db: string;
  readonly collection: string;
  readonly id: Value | undefined;
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly to: string | undefined;
  readonly time: Timestamp;
  readonly wallTime: Date;
  readonly transaction: { readonly lsid: Value; readonly number: bigint } | undefined;
}

const MOST_EVENTS = 20_000;
const MOST_BYTES = 64 * 1024 * 1024;

/** The last events, oldest first. Who asks for older ones is told so (286), never given a gap. */
export class EventLog {
  #events: Event[] = [];
  #dropped = 0;
  #bytes = 0;
  #shown = 0;
  next = 1;
  /** Everything before this was forgotten. */
  oldest = 1;
  readonly #listeners = new Set<() => void>();

  add(event: Event): void {
    this.#events.push(event);
    this.#bytes += size(event);
    this.next = event.seq + 1;
    while (this.#events.length - this.#dropped > MOST_EVENTS || this.#bytes > MOST_BYTES) this.#forget();
    // Shifting an array one by one would copy it every time.
    if (this.#dropped > MOST_EVENTS / 10) {
      this.#events = this.#events.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  #forget(): void {
    const event = this.#events[this.#dropped++];
    if (!event) return;
    this.#bytes -= size(event);
    this.oldest = event.seq + 1;
  }

  /** Events up to this journal position may be shown now. */
  reveal(position: number): void {
    let last = this.#shown;
    for (let i = this.#indexOf(this.#shown + 1); i < this.#events.length; i++) {
      const event = this.#events[i] as Event;
      if (event.position > position) break;
      last = event.seq;
    }
    if (last === this.#shown) return;
    this.#shown = last;
    for (const listener of this.#listeners) listener();
  }

  /** After recovery: all that was read is on the disk. */
  revealAll(): void {
    this.#shown = this.next - 1;
  }

  get shown(): number {
    return this.#shown;
  }

  #indexOf(seq: number): number {
    const first = this.#events[this.#dropped];
    if (!first || seq <= first.seq) return this.#dropped;
    let low = this.#dropped;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle] as Event).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The shown events after `seq`, oldest first. */
  *after(seq: number): Generator<Event> {
    for (let i = this.#indexOf(seq + 1); i < this.#events.length; i++) {
      const event = this.#events[i] as Event;
      if (event.seq > this.#shown) return;
      yield event;
    }
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const size = (event: Event): number => 200 + (event.before?.length ?? 0) + (event.after?.length ?? 0);
