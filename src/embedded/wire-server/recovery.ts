import type { Timestamp } from 'bson';
import { toBytes } from './codec.ts';
import { Collection, Index, newRecord, type Rec } from './collection.ts';
import type { Event } from './event-log.ts';
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
  const session = frame.get('s');
  const transaction =
    session instanceof Doc && session.get('x') === true
      ? { lsid: session.get('l') as Value, number: session.get('n') as bigint }
      : undefined;
  store.clusterTime = time;
  store.events.next = Number(frame.get('e'));
  const rest = { position: 0, time, wallTime: frame.get('w') as Date, transaction };
  const ops = frame.get('ops') as Doc[];
  if (frame.get('snapshot') === true) {
    // What a snapshot holds has happened long ago: a stream cannot be resumed before it.
    for (const op of ops) replayOp(store, op);
    store.events.oldest = store.events.next;
  } else for (const op of ops) store.addEvent(replayOp(store, op), rest);
  if (session instanceof Doc) store.sessions.remember(sessionKey(session.get('l')), Doc.fromBytes(toBytes(session)));
}

const bytesOf = (field: Field): string => (field.buf as Buffer).toString('latin1', field.at, field.to);

function replayOp(store: Store, op: Doc): Partial<Event> | undefined {
  const ns = op.get('n') as string;
  const dot = ns.indexOf('.');
  const db = ns.slice(0, dot);
  const name = ns.slice(dot + 1);
  const collection = store.collections.get(ns);
  const body = op.find('d');
  const value = (body?.value ?? new Doc()) as Doc;
  switch (op.get('o')) {
    case 'create':
      store.collections.set(ns, new Collection(db, name, value, Buffer.from(op.get('u') as string, 'hex')));
      return undefined;
    case 'drop':
      store.collections.delete(ns);
      return { kind: 'drop', db, collection: name };
    case 'dropDatabase':
      return { kind: 'dropDatabase', db };
    case 'rename': {
      const to = value.get('to') as string;
      if (collection) store.collections.set(to, collection.renamed(to));
      store.collections.delete(ns);
      return { kind: 'rename', db, collection: name, to };
    }
    case 'index': {
      const index = new Index(value);
      collection?.indexes.set(index.name, index);
      return undefined;
    }
    case 'unindex':
      collection?.indexes.delete(value.get('name') as string);
      return undefined;
    case 'options':
      collection?.setOptions(value);
      return undefined;
    default:
      return collection && body ? replayWrite(collection, op.get('o') as string, body) : undefined;
  }
}

function replayWrite(collection: Collection, kind: string, body: Field): Partial<Event> {
  const id = (body.value as Doc).first?.value as Value;
  const idKey = keyOf(id);
  const rec = collection.records.get(idKey);
  const before = rec?.bytes;
  const where = { db: collection.db, collection: collection.name, id };
  if (kind === 'd') {
    collection.records.delete(idKey);
    collection.bytes -= before?.length ?? 0;
    return { kind: 'delete', ...where, before };
  }
  const after = bytesOf(body);
  collection.bytes += after.length - (before?.length ?? 0);
  if (rec) rec.bytes = after;
  else collection.records.set(idKey, newRecord(idKey, after) satisfies Rec);
  return { kind: kind === 'i' ? 'insert' : kind === 'u' ? 'update' : 'replace', ...where, before, after };
}
