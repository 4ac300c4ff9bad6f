import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { readFrames, syncFolder, writeFrame } from './journal.ts';
import { replayFrame } from './recovery.ts';
import type { Store } from './store.ts';
import { Doc, doc } from './value.ts';

const DOCUMENTS_A_FRAME = 500;

/**
 * The files of a data folder. Generation n is snapshot-n (everything before it; the first has none) and journal-n (what
 * happened since). Recovery takes the newest snapshot and every journal from its generation on.
 */
export class DataFolder {
  readonly #folder: string;
  /** A journal shorter than this is not worth a snapshot. */
  readonly #compactBytes: number;
  generation = 1;
  #writing: Promise<void> | undefined;

  constructor(folder: string, compactBytes: number) {
    this.#folder = folder;
    this.#compactBytes = compactBytes;
  }

  path(kind: 'journal' | 'snapshot', generation: number): string {
    return path.join(this.#folder, `${kind}-${String(generation).padStart(6, '0')}.log`);
  }

  /** Reads everything into the store; returns where the last journal's last whole frame ends. */
  recover(store: Store): number {
    const names = readdirSync(this.#folder);
    // A snapshot that a crash left unfinished.
    for (const name of names) if (name.endsWith('.new')) unlinkSync(path.join(this.#folder, name));
    const numbers = (kind: string) =>
      names.flatMap(name => {
        const found = new RegExp(`^${kind}-(\\d+)\\.log$`).exec(name);
        return found ? [Number(found[1])] : [];
      });
    const first = Math.max(1, ...numbers('snapshot'));
    this.generation = Math.max(first, ...numbers('journal'));
    this.#read(store, this.path('snapshot', first), false);
    let end = 0;
    for (let n = first; n <= this.generation; n++)
      end = this.#read(store, this.path('journal', n), n === this.generation);
    return end;
  }

  /** Only the newest journal may end in a torn frame; anywhere else that is damage, and going on would lose what follows. */
  #read(store: Store, file: string, mayBeTorn: boolean): number {
    if (!existsSync(file)) return 0;
    const end = readFrames(file, payload => replayFrame(store, payload));
    if (!mayBeTorn && end < statSync(file).size) throw new Error(`${file} is damaged at byte ${end}`);
    return end;
  }

  /** Begins a new generation if the journal has become much longer than what it describes. */
  maybeCompact(store: Store): void {
    if (this.#writing || store.journal.fileSize < this.#compactBytes) return;
    let live = 0;
    for (const { bytes } of store.collections.values()) live += bytes;
    if (store.journal.fileSize < live * 2) return;
    const next = this.generation + 1;
    store.journal.rotate(this.path('journal', next));
    this.generation = next;
    this.#writing = this.#write(captured(store), next).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes a snapshot in slices, then forgets the generations before it. A crash meanwhile leaves those in force. */
  async #write(frames: Generator<Doc>, generation: number): Promise<void> {
    const temporary = `${this.path('snapshot', generation)}.new`;
    const fd = openSync(temporary, 'w');
    for (const frame of frames) {
      writeFrame(fd, frame);
      await new Promise<void>(setImmediate);
    }
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, this.path('snapshot', generation));
    syncFolder(this.#folder);
    for (let n = generation - 1; n > 0 && existsSync(this.path('journal', n)); n--) {
      unlinkSync(this.path('journal', n));
      if (existsSync(this.path('snapshot', n))) unlinkSync(this.path('snapshot', n));
    }
  }

  async close(): Promise<void> {
    await this.#writing;
  }
}

/** The state at this moment. Documents are immutable strings: holding on to them is all it takes. */
function captured(store: Store): Generator<Doc> {
  const collections = [...store.collections.values()].filter(collection => !collection.maker);
  const contents = collections.map(collection => ({
    head: [
      doc({ o: 'create', n: collection.ns, d: collection.options, u: collection.uuid.toString('hex') }),
      ...[...collection.indexes.values()].map(({ spec }) => doc({ o: 'index', n: collection.ns, d: spec })),
    ],
    ns: collection.ns,
    bytes: Array.from(collection.records.values(), rec => rec.bytes),
  }));
  const rest = { t: store.clusterTime, w: new Date(), e: BigInt(store.events.next), snapshot: true };
  const replies = store.sessions.replies();
  return (function* () {
    for (const { head, ns, bytes } of contents) {
      yield doc({ ...rest, ops: head });
      for (let at = 0; at < bytes.length; at += DOCUMENTS_A_FRAME) {
        const ops = bytes
          .slice(at, at + DOCUMENTS_A_FRAME)
          .map(document => doc({ o: 'i', n: ns, d: Doc.fromBytes(document) }));
        yield doc({ ...rest, ops });
      }
    }
    for (const reply of replies) yield doc({ ...rest, ops: [], s: reply });
  })();
}
