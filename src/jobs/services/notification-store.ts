import type { mongo } from 'mongoose';
import type { JobContext } from '../job-context.ts';
import { abortable } from './abortable.ts';

export interface Notification {
  userId: string;
  channel: 'inapp' | 'email' | 'webhook';
  title: string;
  body: string;
  data?: Record<string, unknown> | undefined;
}

/** A document of `notifications`. */
export interface NotificationDocument {
  /** The job's id: one job stores one notification, however often it runs. */
  _id: string;
  tenant: string;
  userId: string;
  channel: Notification['channel'];
  title: string;
  body: string;
  data: Record<string, unknown>;
  createdAt: Date;
  /** Null until it is delivered; only information, from the worker's clock. */
  deliveredAt: Date | null;
  /** For the reader's application to set. */
  readAt: Date | null;
}

export interface StoredNotification {
  readonly isDelivered: boolean;
  markDelivered(): Promise<void>;
}

const DUPLICATE_KEY = 11_000;

/** Inserts the notification unless an earlier run has done so; an `inapp` one is delivered with that. */
export async function storeNotification(notification: Notification, ctx: JobContext): Promise<StoredNotification> {
  const { userId, channel, title, body, data = {} } = notification;
  const notifications = ctx.services.db.collection<NotificationDocument>('notifications');
  const now = new Date();
  const deliveredAt = channel === 'inapp' ? now : null;
  const document = {
    _id: ctx.jobId,
    tenant: ctx.tenant,
    userId,
    channel,
    title,
    body,
    data,
    createdAt: now,
    deliveredAt,
    readAt: null,
  };
  const isNew = await abortable(insertOnce(notifications, document), ctx.signal);
  const before = isNew ? document : await abortable(notifications.findOne({ _id: ctx.jobId }), ctx.signal);
  return {
    isDelivered: Boolean(before?.deliveredAt),
    markDelivered: async () => {
      await abortable(notifications.updateOne({ _id: ctx.jobId }, { $set: { deliveredAt: new Date() } }), ctx.signal);
    },
  };
}

/** False when the job's notification is there already. */
async function insertOnce(
  notifications: mongo.Collection<NotificationDocument>,
  document: NotificationDocument,
): Promise<boolean> {
  try {
    await notifications.insertOne(document);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === DUPLICATE_KEY) return false;
    throw error;
  }
}
