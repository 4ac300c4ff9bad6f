import { z } from 'zod';
import { defineJob } from './define-job.ts';
import type { JobContext } from './job-context.ts';
import { headerLine, isMailAddress } from './services/mail-address.ts';
import { BUILT_IN_TEMPLATES, renderTemplate } from './services/mail-template.ts';
import { type Notification, storeNotification } from './services/notification-store.ts';
import { outgoingRequest } from './services/outgoing-request.ts';
import { outgoingUrlSchema, refuseUrl } from './services/outgoing-url.ts';
import { sendMail } from './services/send-mail.ts';
import { TaskError } from './task-error.ts';

const MAX_DATA_CHARACTERS = 32_768;
const WEBHOOK_TIMEOUT_MS = 10_000;
/** Of the answer only the status counts. */
const WEBHOOK_ANSWER_BYTES = 65_536;

const CHANNELS = ['inapp', 'email', 'webhook'] as const;

const payload = z
  .strictObject({
    userId: headerLine(256),
    channel: z.enum(CHANNELS),
    title: headerLine(200),
    body: z.string().min(1).max(10_000),
    /** Anything for the reader; `email` and `url` say where those channels deliver to. */
    data: z
      .record(z.string().max(128), z.unknown())
      .refine(fits, `must be JSON of at most ${MAX_DATA_CHARACTERS} characters`)
      .optional(),
  })
  .superRefine((value, context) => {
    if (value.channel === 'email' && addressOf(value) === null) {
      context.addIssue({
        code: 'custom',
        path: ['data', 'email'],
        message: 'must be a plain mail address, or userId must be one',
      });
    }
    if (value.channel === 'webhook' && !outgoingUrlSchema.safeParse(value.data?.url).success) {
      context.addIssue({ code: 'custom', path: ['data', 'url'], message: 'must be an absolute URL' });
    }
  });

const result = z.strictObject({
  /** `_id` in the collection `notifications`: the job's id. */
  notificationId: z.string(),
  channel: z.enum(CHANNELS),
  delivered: z.boolean(),
});

/**
 * Stores a notification under the job's id and delivers it once: a run that finds it delivered does nothing. `inapp` is
 * delivered by being stored; `email` goes to `data.email`, else to `userId` when that is an address; `webhook` is a POST of
 * the notification to `data.url`.
 */
export const userNotification = defineJob({
  type: 'user:notification',
  payload,
  result,
  refuse: candidate => {
    const { channel, data } = Object(candidate) as { channel?: unknown; data?: unknown };
    if (channel === 'webhook') refuseUrl((Object(data) as { url?: unknown }).url, '/data/url');
  },
  async run(notification, ctx) {
    const stored = await storeNotification(notification, ctx);
    if (!stored.isDelivered) {
      await deliver(notification, ctx);
      await stored.markDelivered();
    }
    return { notificationId: ctx.jobId, channel: notification.channel, delivered: true };
  },
});

async function deliver(notification: Notification, ctx: JobContext): Promise<void> {
  if (notification.channel === 'email') await deliverByMail(notification, ctx);
  if (notification.channel === 'webhook') await deliverByWebhook(notification, ctx);
}

async function deliverByMail(notification: Notification, ctx: JobContext): Promise<void> {
  const { title, body } = notification;
  const text = renderTemplate(BUILT_IN_TEMPLATES.notification, { title, body });
  await sendMail({ to: [addressOf(notification)!], subject: title, ...text }, ctx);
}

async function deliverByWebhook({ userId, title, body, data }: Notification, ctx: JobContext): Promise<void> {
  const { status } = await outgoingRequest({
    method: 'POST',
    url: String(data?.url),
    // The same at every run: the receiver can tell a repeated call.
    headers: { 'content-type': 'application/json', 'idempotency-key': ctx.jobId },
    body: JSON.stringify({ id: ctx.jobId, userId, title, body, data }),
    allowHosts: ctx.services.outgoing.allowHosts,
    signal: ctx.signal,
    timeoutMs: WEBHOOK_TIMEOUT_MS,
    maxBytes: WEBHOOK_ANSWER_BYTES,
  });
  if (status >= 200 && status < 300) return;
  const redirect = status >= 300 && status < 400;
  throw new TaskError(`the webhook answered ${status}${redirect ? ', redirects are not followed' : ''}`, {
    retry: mayPass(status),
  });
}

/** Whether another attempt can help: overload, a conflict and faults of the server pass, a refusal does not. */
function mayPass(status: number): boolean {
  return status >= 500 || status === 408 || status === 409 || status === 425 || status === 429;
}

function addressOf({ userId, data }: { userId: string; data?: Record<string, unknown> | undefined }): string | null {
  const address = data?.email ?? userId;
  return typeof address === 'string' && isMailAddress(address) ? address : null;
}

function fits(data: unknown): boolean {
  try {
    return JSON.stringify(data).length <= MAX_DATA_CHARACTERS;
  } catch {
    return false;
  }
}
