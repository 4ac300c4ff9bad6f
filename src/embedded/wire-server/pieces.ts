/** So many bytes of documents or a little more go into a piece: it is made in one go, and read in one. */
const PIECE_BYTES = 1024 * 1024;
/** What an operation needs beside its document. */
const AROUND = 50;

/** Cuts a list after so many bytes. */
export function* pieces<T>(items: readonly T[], bytesOf: (item: T) => number): Generator<T[]> {
  let size = 0;
  let from = 0;
  for (const [i, item] of items.entries()) {
    size += AROUND + bytesOf(item);
    if (size < PIECE_BYTES) continue;
    yield items.slice(from, i + 1);
    [size, from] = [0, i + 1];
  }
  if (from < items.length) yield items.slice(from);
}
