import { mongo } from 'mongoose';

/** The one place outside the writes that makes ids and BSON: the rest of the pipeline knows their types only. */
export function newObjectId(): mongo.ObjectId {
  return new mongo.ObjectId();
}

/** An id from its 24 hexadecimal digits, or null when the text is none. */
export function parseObjectId(text: unknown): mongo.ObjectId | null {
  return typeof text === 'string' && /^[0-9a-f]{24}$/i.test(text) ? new mongo.ObjectId(text) : null;
}

export function toBson(document: object): Uint8Array {
  return mongo.BSON.serialize(document);
}

export function fromBson(bson: Uint8Array): mongo.Document {
  return mongo.BSON.deserialize(bson);
}
