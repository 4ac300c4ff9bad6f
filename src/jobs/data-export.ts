import type { mongo } from 'mongoose';
import { z } from 'zod';
import { defineJob } from './define-job.ts';
import type { JobContext } from './job-context.ts';
import { abortable } from './services/abortable.ts';
import type { Row } from './services/encode-rows.ts';
import { NewFile } from './services/new-file.ts';
import { refusePath } from './services/tenant-path.ts';
import { type RowSource, writeRows } from './services/write-rows.ts';
import { TaskError } from './task-error.ts';

const MAX_BYTES = 10 * 1024 ** 3;
/** LedgerMQ's own collections, and those of MongoDB itself. Whatever the allow-list says, they are never read. */
const NEVER_EXPORTED = /^(jobs|counters|leases|lanes|workers|system\..*)$/;

const cell = z.union([z.string(), z.number(), z.boolean(), z.null()]);
/** A field, or a path of fields with dots. */
const field = z.string().regex(/^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,15}$/, 'must be a field name');

const payload = z
  .strictObject({
    /** Must be on the allow-list of the server. Documents of other tenants are left out. */
    collection: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}$/, 'must be a collection name')
      .refine(name => !NEVER_EXPORTED.test(name), 'this collection is never exported')
      .optional(),
    /** Objects, or arrays of cells; with cells, `fields` are the names of the columns. */
    rows: z
      .array(z.union([z.array(cell).max(1_000), z.record(z.string().max(128), z.unknown())]))
      .max(100_000)
      .optional(),
    /** Equality of fields, all of them; only with `collection`. */
    filter: z
      .record(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a field name'), cell)
      .refine(filter => Object.keys(filter).length <= 20, 'at most 20 fields')
      .optional(),
    /** Columns in this order; without them, every field that occurs. */
    fields: z.array(field).min(1).max(500).optional(),
    format: z.enum(['csv', 'ndjson']),
    /** A name without folders that nobody has yet; by default `export-<job id>.<format>`. */
    filename: z
      .string()
      .regex(/^[\p{L}\p{N}_][\p{L}\p{N}_ .()-]{0,99}$/u, 'must be a file name without folders')
      .refine(name => Buffer.byteLength(name) <= 255, 'must have at most 255 bytes')
      .optional(),
  })
  .superRefine((value, context) => {
    const given = [value.collection, value.rows].filter(source => source !== undefined).length;
    if (given !== 1)
      context.addIssue({ code: 'custom', path: ['collection'], message: 'exactly one of collection, rows is needed' });
    if (value.filter && value.rows)
      context.addIssue({ code: 'custom', path: ['filter'], message: 'goes with collection only' });
  });

const result = z.strictObject({ path: z.string(), rows: z.number(), bytes: z.number(), sha256: z.string() });

/** Writes rows of a collection, or given ones, into a new file of the tenant's folder, as CSV or one JSON text a line. */
export const dataExport = defineJob({
  type: 'data:export',
  payload,
  result,
  refuse: candidate => {
    if (typeof candidate === 'object' && candidate !== null && 'filename' in candidate) {
      refusePath(candidate.filename, '/filename');
    }
  },
  async run(order, ctx) {
    const source = sourceOf(order, ctx);
    const file = await NewFile.create({
      tenantDir: await ctx.services.files.tenantDir(ctx.tenant),
      path: order.filename ?? `export-${ctx.jobId}.${order.format}`,
      jobId: ctx.jobId,
      runKey: ctx.runKey,
      maxBytes: MAX_BYTES,
    });
    try {
      const rows = await writeRows(file, {
        source,
        format: order.format,
        fields: order.fields ?? null,
        signal: ctx.signal,
        progress: done => ctx.progress({ rows: done }),
      });
      return { ...(await file.publish()), rows };
    } finally {
      await file.close();
    }
  },
});

function sourceOf(order: z.output<typeof payload>, ctx: JobContext): RowSource {
  const { rows, collection = '' } = order;
  if (rows) return () => rows;
  if (!ctx.services.exportCollections.includes(collection)) {
    throw new TaskError(`collection ${collection} is not on the allow-list for exports`, { retry: false });
  }
  return () => documentsOf(ctx, collection, order);
}

/**
 * Documents that carry a `tenant` are the tenant's own only; those without one belong to the whole installation, whose
 * operator put the collection on the allow-list.
 */
async function* documentsOf(
  ctx: JobContext,
  collection: string,
  { filter = {}, fields }: Pick<z.output<typeof payload>, 'filter' | 'fields'>,
): AsyncGenerator<Row> {
  const equalities = Object.entries(filter).map(([name, value]) => ({ [name]: { $eq: value } }));
  const query: mongo.Filter<mongo.Document> = { $and: [{ tenant: { $in: [ctx.tenant, null] } }, ...equalities] };
  const cursor = ctx.services.db.collection(collection).find(query, { batchSize: 500 }).sort({ _id: 1 });
  if (fields) cursor.project(projectionOf(fields));
  try {
    while (await abortable(cursor.hasNext(), ctx.signal)) yield* cursor.readBufferedDocuments();
  } finally {
    // Not awaited: on a server that hangs, the end of the run must not wait for it.
    cursor.close().catch(() => undefined);
  }
}

function projectionOf(fields: readonly string[]): Record<string, 0 | 1> {
  // `a` beside `a.b` is a path collision for MongoDB: whole top-level fields are asked for.
  const tops = new Set(fields.map(name => name.split('.')[0]!));
  return { ...(tops.has('_id') ? {} : { _id: 0 }), ...Object.fromEntries([...tops].map(name => [name, 1] as const)) };
}
