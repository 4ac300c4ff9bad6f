import type { JobContext } from '../job-context.ts';
import { TaskError } from '../task-error.ts';
import type { MailTemplate } from './mail-template.ts';

export interface Mail extends MailTemplate {
  to: readonly string[];
  cc?: readonly string[];
  subject: string;
}

export interface SentMail {
  /** Those of the recipients that the server took. */
  accepted: string[];
  messageId: string;
}

/**
 * Hands the mail to the server. Its Message-ID is made of the job's id, so that a mail server sees a re-run as the same mail.
 * @throws TaskError: no retry when the server refused the mail itself for good (5xx) · the signal's reason.
 */
export async function sendMail(mail: Mail, ctx: JobContext): Promise<SentMail> {
  ctx.signal.throwIfAborted();
  const { transport, from } = ctx.services.mailer;
  const messageId = `<${ctx.jobId}@${domainOf(from)}>`;
  try {
    const info = await transport.sendMail({
      from,
      to: [...mail.to],
      cc: [...(mail.cc ?? [])],
      subject: mail.subject,
      text: mail.text,
      html: mail.html,
      messageId,
      signal: ctx.signal,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const { accepted = [], rejected = [] } = info;
    // Not a failure: a retry would send the mail again to those who have it.
    if (rejected.length > 0) ctx.log(`the mail server refused ${rejected.length} recipients`);
    return { accepted: accepted.map(addressText), messageId };
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw explained(error);
  }
}

/**
 * A 5xx about the mail will be the same next time. A 5xx at the login is about the server's settings, and a lost connection
 * about the network: both can be mended.
 */
function explained(error: unknown): TaskError {
  const { code, responseCode, message } = error as { code?: string; responseCode?: number; message?: string };
  const forGood = code === 'EENVELOPE' || code === 'EMESSAGE' || code === 'EMAXRECIPIENTS';
  const permanent = forGood && responseCode !== undefined && responseCode >= 500;
  return new TaskError(`the mail was not taken: ${message ?? 'unknown error'}`, { retry: !permanent, cause: error });
}

function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}

function addressText(address: string | { address: string }): string {
  return typeof address === 'string' ? address : address.address;
}
