import { createHash } from 'node:crypto';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { z } from 'zod';
import { defineJob } from './define-job.ts';
import type { JobContext } from './job-context.ts';
import { MAX_IMAGE_BYTES, makeThumbnail, THUMBNAIL_FORMATS } from './services/make-thumbnail.ts';
import { NewFile, type WrittenFile } from './services/new-file.ts';
import { readChunks } from './services/read-chunks.ts';
import { type InputFile, openInside, refusePath } from './services/tenant-path.ts';

const MAX_INPUT_BYTES = 10 * 1024 ** 3;
/** gzip adds a few bytes to what cannot be made smaller. */
const MAX_OUTPUT_BYTES = MAX_INPUT_BYTES + 16 * 1024 ** 2;

const pixels = z.int().min(16).max(2_048);

const payload = z
  .strictObject({
    /** Relative to the tenant's folder. */
    path: z.string().min(1).max(1_024),
    operation: z.enum(['checksum', 'gzip', 'thumbnail']).default('checksum'),
    /** Of the thumbnail: it fits into width × height; 256 by default. */
    width: pixels.optional(),
    height: pixels.optional(),
    format: z.enum(THUMBNAIL_FORMATS).optional(),
  })
  .superRefine((value, context) => {
    if (value.operation === 'thumbnail') return;
    for (const name of ['width', 'height', 'format'] as const) {
      if (value[name] !== undefined) {
        context.addIssue({ code: 'custom', path: [name], message: 'goes with operation thumbnail only' });
      }
    }
  });

type Order = z.output<typeof payload>;

/** `path`, `bytes` and `sha256` are those of the new file; of the file itself for a checksum. */
const result = z.strictObject({
  path: z.string(),
  bytes: z.number(),
  sha256: z.string(),
  /** Of a gzip: the bytes before. */
  originalBytes: z.number().optional(),
  /** Of a thumbnail, in pixels. */
  width: z.number().optional(),
  height: z.number().optional(),
});

/**
 * Checksums, compresses or shrinks a file of the tenant's folder. What it makes stands beside the input: `a.txt.gz`,
 * `photo.thumb-256x256.webp`; a file that has that name already is not replaced.
 */
export const fileProcess = defineJob({
  type: 'file:process',
  payload,
  result,
  refuse: candidate => {
    if (typeof candidate === 'object' && candidate !== null && 'path' in candidate) refusePath(candidate.path, '/path');
  },
  async run(order, ctx): Promise<z.output<typeof result>> {
    const tenantDir = await ctx.services.files.tenantDir(ctx.tenant);
    const maxBytes = order.operation === 'thumbnail' ? MAX_IMAGE_BYTES : MAX_INPUT_BYTES;
    const input = await openInside(tenantDir, order.path, maxBytes);
    try {
      if (order.operation === 'gzip') return await gzip(input, tenantDir, ctx);
      if (order.operation === 'thumbnail') return await thumbnail(input, order, tenantDir, ctx);
      return await checksum(input, ctx.signal);
    } finally {
      await input.handle.close();
    }
  },
});

async function checksum(input: InputFile, signal: AbortSignal): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of readChunks(input.handle, MAX_INPUT_BYTES, signal)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path: input.path, bytes, sha256: hash.digest('hex') };
}

async function gzip(input: InputFile, tenantDir: string, ctx: JobContext) {
  let originalBytes = 0;
  const written = await writeBeside(`${input.path}.gz`, tenantDir, ctx, async file => {
    const source = async function* () {
      for await (const chunk of readChunks(input.handle, MAX_INPUT_BYTES, ctx.signal)) {
        originalBytes += chunk.length;
        yield chunk;
      }
    };
    await pipeline(source, createGzip(), async (packed: AsyncIterable<Buffer>) => {
      for await (const chunk of packed) await file.write(chunk);
    });
  });
  return { ...written, originalBytes };
}

async function thumbnail(input: InputFile, order: Order, tenantDir: string, ctx: JobContext) {
  const box = { width: order.width ?? 256, height: order.height ?? 256, format: order.format ?? ('webp' as const) };
  const made = await makeThumbnail(input.handle, box, ctx.signal);
  const { dir, name } = path.posix.parse(input.path);
  const target = path.posix.join(dir, `${name}.thumb-${box.width}x${box.height}.${box.format}`);
  const written = await writeBeside(target, tenantDir, ctx, file => file.write(made.data));
  return { ...written, width: made.width, height: made.height };
}

async function writeBeside(
  target: string,
  tenantDir: string,
  ctx: JobContext,
  fill: (file: NewFile) => Promise<void>,
): Promise<WrittenFile> {
  const { jobId, runKey } = ctx;
  const file = await NewFile.create({ tenantDir, path: target, jobId, runKey, maxBytes: MAX_OUTPUT_BYTES });
  try {
    await fill(file);
    ctx.signal.throwIfAborted();
    return await file.publish();
  } finally {
    await file.close();
  }
}
