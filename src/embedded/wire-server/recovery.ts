import type { Timestamp } from 'bson';
import { Collection, Index, newRecord } from './collection.ts';
import type { Happening } from './event-log.ts';
import { sessionKey } from './sessions.ts';
import type { Store } from './store.ts';
import { Doc, type Field, type Value } from './value.ts';
import { keyOf } from './value-order.ts';

/**
 * Does one frame again. Documents are only put where they belong; indexes are built once at the end, from the
 * documents that are left.
 */
export function replayFrame(store: Store, payload: Buffer): void {
  const frame = Doc.read(payload);
  const time = frame.get('t') as Timestamp;
  const wallTime = frame.get('w') as Date;
  const session = frame.get('s');
  const transaction =
    session instanceof Doc && session.get('x') === true
      ? { lsid: session.get('l') as Value, number: session.get('n') as bigint }
      : undefined;
  store.clusterTime = time;
  store.events.next = Number(frame.get('e'));
  const snapshot = frame.get('snapshot') === true;
  const rest = { position: 0, time, wallTime, transaction };
  for (const op of frame.get('ops') as Doc[]) {
    const event = replayOp(store, op);
    if (event && !snapshot) store.events.add(event, rest);
  }
  // What a snapshot holds has happened long ago: a stream cannot be resumed before it.
  if (snapshot) store.events.oldest = store.events.next;
  // A copy: the frame's buffer is a large one.
  if (session instanceof Doc)
    store.sessions.remember(sessionKey(session.get('l')), Doc.fromBytes(bytesOf(frame.find('s') as Field)));
}

const bytesOf = (field: Field): string => (field.buf as Buffer).toString('latin1', field.at, field.to);

function replayOp(store: Store, op: Doc): Happening | undefined {
  const ns = op.get('n') as string;
  const collection = store.find(ns);
  const kind = op.get('o') as string;
  const body = op.find('d') as Field;
  if (kind in KINDS) return collection && replayWrite(collection, kind as Kind, body);
  const [db = '', ...rest] = ns.split('.');
  const where = { db, collection: rest.join('.') };
  const value = body?.value as Doc;
  switch (kind) {
    case 'create': {
      const uuid = Buffer.from(op.get('u') as string, 'hex');
      store.collections.set(ns, new Collection(db, where.collection, value, uuid));
      return undefined;
    }
    case 'drop':
      store.collections.delete(ns);
      return { kind, ...where };
    case 'dropDatabase':
      return { kind, ...where };
    case 'rename': {
      const to = value.get('to') as string;
      if (collection) store.collections.set(to, collection.renamed(to));
      store.collections.delete(ns);
      return { kind, ...where, to };
    }
    case 'index':
      collection?.indexes.set(value.get('name') as string, new Index(value));
      return undefined;
    case 'unindex':
      collection?.indexes.delete(value.get('name') as string);
      return undefined;
    case 'options':
      collection?.setOptions(value);
      return undefined;
    default:
      throw new Error(`the journal has an unknown entry: ${kind}`);
  }
}

const KINDS = { i: 'insert', u: 'update', r: 'replace', d: 'delete' } as const;

type Kind = keyof typeof KINDS;

function replayWrite(collection: Collection, kind: Kind, body: Field): Happening {
  const id = (body.value as Doc).first?.value as Value;
  const idKey = keyOf(id);
  const rec = collection.records.get(idKey);
  const before = rec?.bytes;
  const after = kind === 'd' ? undefined : bytesOf(body);
  collection.bytes += (after?.length ?? 0) - (before?.length ?? 0);
  if (after === undefined) collection.records.delete(idKey);
  else if (rec) rec.bytes = after;
  else collection.records.set(idKey, newRecord(idKey, after));
  return { kind: KINDS[kind], db: collection.db, collection: collection.name, id, before, after };
}
