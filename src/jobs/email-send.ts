import { z } from 'zod';
import { defineJob } from './define-job.ts';
import { headerLine, mailAddressSchema } from './services/mail-address.ts';
import {
  BUILT_IN_TEMPLATE_NAMES,
  BUILT_IN_TEMPLATES,
  type MailTemplate,
  missingValues,
  renderTemplate,
} from './services/mail-template.ts';
import { sendMail } from './services/send-mail.ts';

const addresses = z.union([mailAddressSchema, z.array(mailAddressSchema).min(1).max(50)]);
const part = z.string().min(1).max(500_000);

const payload = z
  .strictObject({
    /** One address, or 1–50. */
    to: addresses,
    cc: addresses.optional(),
    subject: headerLine(500),
    /** The plain text. `body` and `html` may both be given: two forms of one mail. */
    body: part.optional(),
    html: part.optional(),
    /** Instead of both: the name of a built-in template, or one with `{{name}}` placeholders that `context` fills. */
    template: z
      .union([z.enum(BUILT_IN_TEMPLATE_NAMES), z.strictObject({ text: part.optional(), html: part.optional() })])
      .optional(),
    context: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be a name'),
        z.union([z.string().max(10_000), z.number(), z.boolean()]),
      )
      .optional(),
  })
  .superRefine((value, context) => {
    for (const { path, message } of contentProblems(value)) context.addIssue({ code: 'custom', path, message });
  });

interface Content {
  body?: string | undefined;
  html?: string | undefined;
  template?: (typeof BUILT_IN_TEMPLATE_NAMES)[number] | MailTemplate | undefined;
  context?: Record<string, string | number | boolean> | undefined;
}

const result = z.strictObject({
  sent: z.boolean(),
  /** The recipients, `cc` included, that the mail server took. */
  to: z.array(z.string()),
  messageId: z.string(),
});

/** Sends a mail over SMTP: plain text, HTML, or a template. */
export const emailSend = defineJob({
  type: 'email:send',
  payload,
  result,
  async run(mail, ctx) {
    const { accepted, messageId } = await sendMail(
      { to: listOf(mail.to), cc: listOf(mail.cc ?? []), subject: mail.subject, ...contentOf(mail) },
      ctx,
    );
    return { sent: true, to: accepted, messageId };
  },
});

function contentOf(content: Content): MailTemplate {
  if (content.template === undefined) return { text: content.body, html: content.html };
  return renderTemplate(templateOf(content.template), content.context ?? {});
}

function templateOf(template: NonNullable<Content['template']>): MailTemplate {
  return typeof template === 'string' ? BUILT_IN_TEMPLATES[template] : template;
}

function contentProblems(content: Content): { path: string[]; message: string }[] {
  const own = content.body !== undefined || content.html !== undefined;
  if (content.template === undefined) {
    if (!own) return [{ path: ['body'], message: 'one of body, html, template is needed' }];
    return content.context ? [{ path: ['context'], message: 'goes with template only' }] : [];
  }
  if (own) return [{ path: ['template'], message: 'goes without body and html' }];
  const template = templateOf(content.template);
  if (template.text === undefined && template.html === undefined) {
    return [{ path: ['template'], message: 'needs text or html' }];
  }
  return missingValues(template, content.context ?? {}).map(name => ({
    path: ['context', name],
    message: 'the template needs this value',
  }));
}

function listOf(addresses: string | readonly string[]): readonly string[] {
  return typeof addresses === 'string' ? [addresses] : addresses;
}
