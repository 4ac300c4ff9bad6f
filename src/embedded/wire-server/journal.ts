import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { Writer } from './codec.ts';
import type { Doc } from './value.ts';

const HEADER = 8;
/** Replay reads the file in pieces of this size. */
const PIECE = 8 * 1024 * 1024;

interface Waiter {
  readonly position: number;
  readonly resolve: () => void;
}

/** Makes a file's name durable: without this a power cut can lose a file whose contents are safe. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/**
 * One append-only file of frames: length, CRC-32, bytes. Appending never waits; one write() takes everything that came
 * meanwhile, and one fdatasync at a time makes it durable (group commit).
 */
export class Journal {
  #fd: number;
  /** Where the current file begins, in the count of all bytes since the start. */
  #fileStart = 0;
  readonly #holdMs: number;
  readonly #onDurable: (position: number) => void;
  /** Frames not yet written, one behind the other; used again and again. */
  readonly #pending = new Writer(256 * 1024);
  #scheduled: NodeJS.Immediate | NodeJS.Timeout | undefined;
  #syncing = false;
  #appended: number;
  #written: number;
  #durable: number;
  #waiting: Waiter[] = [];
  #closed = false;
  #retired: number[] = [];

  /** `holdMs` keeps frames nobody waits for in memory that long, as a real server's journal does with w:1. */
  constructor(file: string, end: number, holdMs: number, onDurable: (position: number) => void) {
    this.#fd = openSync(file, 'a+');
    ftruncateSync(this.#fd, end);
    fsyncSync(this.#fd);
    syncFolder(path.dirname(file));
    this.#holdMs = holdMs;
    this.#onDurable = onDurable;
    this.#appended = end;
    this.#written = end;
    this.#durable = end;
  }

  /** Bytes in the current file. */
  get fileSize(): number {
    return this.#appended - this.#fileStart;
  }

  /** Makes everything so far durable and goes on in a new file. Waits for the disk; it happens rarely. */
  rotate(file: string): void {
    this.#flush();
    fsyncSync(this.#fd);
    const old = this.#fd;
    this.#fd = openSync(file, 'a+');
    syncFolder(path.dirname(file));
    this.#fileStart = this.#appended;
    // A sync still under way in the background must find its descriptor.
    if (this.#syncing) this.#retired.push(old);
    else closeSync(old);
    this.#reached(this.#written);
  }

  /** Returns the position that must be durable for the frame to be. */
  append(payload: Doc): number {
    const start = this.#pending.pos;
    addFrame(this.#pending, payload);
    this.#appended += this.#pending.pos - start;
    if (!this.#scheduled && !this.#closed) {
      this.#scheduled =
        this.#holdMs > 0 ? setTimeout(() => this.#flush(), this.#holdMs) : setImmediate(() => this.#flush());
    }
    return this.#appended;
  }

  /** Resolves when write() has taken the frame: safe against kill -9, not against a power cut. */
  async written(position: number): Promise<void> {
    if (this.#holdMs > 0 || position <= this.#written) return;
    await new Promise<void>(setImmediate);
  }

  async durable(position: number): Promise<void> {
    if (position <= this.#durable) return;
    const promise = new Promise<void>(resolve => this.#waiting.push({ position, resolve }));
    if (this.#holdMs > 0) setImmediate(() => this.#flush());
    await promise;
  }

  #flush(): void {
    if (this.#scheduled) {
      clearTimeout(this.#scheduled as NodeJS.Timeout);
      clearImmediate(this.#scheduled as NodeJS.Immediate);
      this.#scheduled = undefined;
    }
    if (this.#closed) return;
    if (this.#pending.pos > 0) {
      writeAll(this.#fd, this.#pending.bytes);
      this.#written += this.#pending.pos;
      this.#pending.reset();
    }
    if (!this.#syncing && this.#durable < this.#written) this.#sync();
  }

  #sync(): void {
    const position = this.#written;
    this.#syncing = true;
    fdatasync(this.#fd, error => {
      // After a failed fsync nobody knows what is on the disk: never answer again.
      if (error) {
        process.stderr.write(`journal: ${error.message}\n`);
        process.exit(1);
      }
      this.#syncing = false;
      for (const fd of this.#retired.splice(0)) closeSync(fd);
      this.#reached(position);
      if (this.#durable < this.#written && !this.#closed) this.#sync();
    });
  }

  #reached(position: number): void {
    if (position <= this.#durable) return;
    this.#durable = position;
    this.#onDurable(position);
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(waiter => waiter.position > position);
    for (const waiter of waiting) if (waiter.position <= position) waiter.resolve();
  }

  async close(): Promise<void> {
    this.#flush();
    await this.durable(this.#appended);
    this.#closed = true;
    while (this.#syncing) await new Promise<void>(setImmediate);
    closeSync(this.#fd);
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** Length and CRC-32, then the payload. */
function addFrame(to: Writer, payload: Doc): void {
  const start = to.pos;
  to.int32(0);
  to.int32(0);
  to.document(payload);
  to.buf.writeUInt32LE(to.pos - start - HEADER, start);
  to.buf.writeUInt32LE(crc32(to.buf.subarray(start + HEADER, to.pos)), start + 4);
}

/** Writes one frame to a file that is not the journal. */
export function writeFrame(fd: number, payload: Doc): void {
  const writer = new Writer();
  addFrame(writer, payload);
  writeAll(fd, writer.bytes);
}

/** Hands every whole frame of a file to `replay` and returns where the last one ends; what follows is a torn tail. */
export function readFrames(file: string, replay: (payload: Buffer) => void): number {
  const fd = openSync(file, 'r');
  let buffer = Buffer.alloc(0);
  let bufferAt = 0;
  let end = 0;
  const ensure = (bytes: number): boolean => {
    const from = end - bufferAt;
    if (buffer.length - from >= bytes) return true;
    const next = Buffer.allocUnsafeSlow(Math.max(PIECE, bytes));
    const kept = buffer.copy(next, 0, from);
    let filled = kept;
    for (let got = -1; got !== 0 && filled < next.length; filled += got)
      got = readSync(fd, next, filled, next.length - filled, end + filled);
    buffer = next.subarray(0, filled);
    bufferAt = end;
    return buffer.length >= bytes;
  };
  try {
    while (ensure(HEADER)) {
      const size = buffer.readUInt32LE(end - bufferAt);
      const crc = buffer.readUInt32LE(end - bufferAt + 4);
      // Zeros, which a torn write can leave, would pass as a frame of nothing.
      if (size === 0 || size > 2 ** 30 || !ensure(HEADER + size)) break;
      const payload = buffer.subarray(end - bufferAt + HEADER, end - bufferAt + HEADER + size);
      if (crc32(payload) !== crc) break;
      replay(payload);
      end += HEADER + size;
    }
  } finally {
    closeSync(fd);
  }
  return end;
}
