import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { encode } from '../documents/codec.ts';
import type { Doc } from '../documents/value.ts';

const HEADER = 8;
/** Added to the length of a part that another one follows. */
const CONTINUES = 2 ** 31;
const PIECE = 8 * 1024 * 1024;

const pause = promisify(setImmediate);
const datasync = promisify(fdatasync);

/**
 * One append-only file of frames: length, CRC-32, BSON. A long one has several such parts, and is there when the last of
 * them is. Appending never waits; one write() takes everything that came
 * meanwhile, and one fdatasync at a time makes it durable (group commit).
 */
export class Journal {
  readonly #file: string;
  #fd: number;
  /** Positions count all bytes since the start of the process; here the current file begins. */
  #start = 0;
  readonly #holdMs: number;
  readonly #onDurable: (position: number) => void;
  #pending: Buffer[] = [];
  /** Where the last frame ends. */
  position: number;
  #written: number;
  #durable: number;
  #syncing = false;
  #waiting: (() => void)[] = [];

  /**
   * Hands every whole frame of the file to `replay` and cuts what follows the last one: a torn tail. `holdMs` keeps
   * frames nobody waits for in memory that long, as a real server's journal does with w:1.
   */
  constructor(file: string, holdMs: number, replay: (parts: Buffer[]) => void, onDurable: (position: number) => void) {
    this.#file = file;
    this.#holdMs = holdMs;
    this.#onDurable = onDurable;
    this.#fd = openSync(file, 'a+');
    this.#written = readFrames(this.#fd, replay);
    this.#durable = this.#written;
    this.position = this.#written;
    ftruncateSync(this.#fd, this.#written);
    fsyncSync(this.#fd);
    syncFolder(file);
  }

  get size(): number {
    return this.position - this.#start;
  }

  append(parts: Doc[]): void {
    for (const [i, part] of parts.entries()) {
      const bytes = frameOf(part, i + 1 < parts.length);
      this.#pending.push(bytes);
      this.position += bytes.length;
    }
    if (this.#holdMs > 0) setTimeout(() => void this.#sync(), this.#holdMs);
    else setImmediate(() => void this.#sync());
  }

  /** Resolves when write() has taken the frame: safe against kill -9, not against a power cut. */
  async written(position: number): Promise<void> {
    if (this.#holdMs > 0 || position <= this.#written) return;
    await pause();
    this.#write();
  }

  async durable(position: number): Promise<void> {
    if (position > this.#durable && this.#holdMs > 0) setImmediate(() => void this.#sync());
    while (position > this.#durable) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  #write(): void {
    writeAll(this.#fd, Buffer.concat(this.#pending));
    this.#written = this.position;
    this.#pending = [];
  }

  async #sync(): Promise<void> {
    this.#write();
    if (this.#syncing) return;
    this.#syncing = true;
    for (; this.#durable < this.#written; this.#write()) {
      const [fd, position] = [this.#fd, this.#written];
      await datasync(fd).catch((error: Error) => {
        // Nobody knows now what is on the disk: never answer again.
        process.stderr.write(`journal: ${error.message}\n`);
        process.exit(1);
      });
      // A compaction has replaced it meanwhile.
      if (fd !== this.#fd) closeSync(fd);
      this.#reached(position);
    }
    this.#syncing = false;
  }

  #reached(position: number): void {
    if (position <= this.#durable) return;
    this.#durable = position;
    this.#onDurable(position);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * Begins the file anew: `state`, which is everything up to now, a frame at a time; then what was appended meanwhile;
   * then the new file takes the place of the old one. A crash before that leaves the old one in force.
   */
  async compact(state: Iterable<Doc>): Promise<void> {
    const from = this.position;
    const file = path.join(path.dirname(this.#file), 'snapshot.new');
    const fd = openSync(file, 'w+');
    let size = 0;
    for (const frame of state) {
      const bytes = frameOf(frame);
      writeAll(fd, bytes);
      size += bytes.length;
      await pause();
    }
    // Most of it now, in the background: the rest must be done in one go.
    await datasync(fd);
    this.#write();
    const tail = Buffer.allocUnsafe(this.#written - from);
    readSync(this.#fd, tail, 0, tail.length, from - this.#start);
    writeAll(fd, tail);
    fsyncSync(fd);
    renameSync(file, this.#file);
    syncFolder(this.#file);
    if (!this.#syncing) closeSync(this.#fd);
    this.#fd = fd;
    this.#start = from - size;
    this.#reached(this.#written);
  }

  async close(): Promise<void> {
    await this.#sync();
    while (this.#syncing) await pause();
    closeSync(this.#fd);
  }
}

/** Makes a file's name durable: without this a power cut can lose a file whose contents are safe. */
function syncFolder(file: string): void {
  const fd = openSync(path.dirname(file), 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, Math.min(PIECE, bytes.length - done));
}

function frameOf(payload: Doc, continues = false): Buffer {
  const bytes = Buffer.from(`${'\0'.repeat(HEADER)}${encode(payload)}`, 'latin1');
  bytes.writeUInt32LE(bytes.length - HEADER + (continues ? CONTINUES : 0), 0);
  bytes.writeUInt32LE(crc32(bytes.subarray(HEADER)), 4);
  return bytes;
}

function readFrames(fd: number, replay: (parts: Buffer[]) => void): number {
  let [at, end] = [0, 0];
  let parts: Buffer[] = [];
  let buffer = Buffer.alloc(0);
  const has = (bytes: number): boolean => {
    if (buffer.length >= bytes) return true;
    const piece = Buffer.allocUnsafeSlow(Math.max(PIECE, bytes));
    buffer = piece.subarray(0, readSync(fd, piece, 0, piece.length, at));
    return buffer.length >= bytes;
  };
  while (has(HEADER)) {
    const length = buffer.readUInt32LE(0);
    const size = length % CONTINUES;
    // Zeros, which a torn write can leave, would pass as a frame of nothing.
    if (size === 0 || size > 2 ** 30 || !has(HEADER + size)) break;
    const payload = buffer.subarray(HEADER, HEADER + size);
    if (crc32(payload) !== buffer.readUInt32LE(4)) break;
    parts.push(payload);
    at += HEADER + size;
    buffer = buffer.subarray(HEADER + size);
    if (length > CONTINUES) continue;
    replay(parts);
    parts = [];
    end = at;
  }
  return end;
}
