/** A mail's text in either form; `{{name}}` stands for a value of the context. */
export interface MailTemplate {
  text?: string | undefined;
  html?: string | undefined;
}

export type MailContext = Readonly<Record<string, string | number | boolean>>;

/** Templates that a payload can call by name. */
export const BUILT_IN_TEMPLATES = {
  welcome: {
    text: 'Hello {{name}},\n\nwelcome! Your account is ready.\n',
    html: '<p>Hello {{name}},</p><p>welcome! Your account is ready.</p>',
  },
  notification: {
    text: '{{title}}\n\n{{body}}\n',
    html: '<h1>{{title}}</h1><p>{{body}}</p>',
  },
  'password-reset': {
    text: 'Hello {{name}},\n\nset a new password here: {{link}}\n\nIf you did not ask for this, ignore this mail.\n',
    html: '<p>Hello {{name}},</p><p><a href="{{link}}">Set a new password</a></p><p>If you did not ask for this, ignore this mail.</p>',
  },
} as const satisfies Record<string, MailTemplate>;

export type BuiltInTemplate = keyof typeof BUILT_IN_TEMPLATES;
export const BUILT_IN_TEMPLATE_NAMES = Object.keys(BUILT_IN_TEMPLATES) as BuiltInTemplate[];

const PLACEHOLDER = /\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}/g;

/** The placeholders of a template that the context has no value for. */
export function missingValues(template: MailTemplate, context: MailContext): string[] {
  const names = new Set<string>();
  for (const part of [template.text, template.html]) {
    for (const match of (part ?? '').matchAll(PLACEHOLDER)) names.add(match[1]!);
  }
  return [...names].filter(name => !Object.hasOwn(context, name));
}

/** Replaces every placeholder once (a value is never read as a template); values are escaped in the HTML part. */
export function renderTemplate(template: MailTemplate, context: MailContext): MailTemplate {
  const fill = (part: string | undefined, form: (value: string) => string) =>
    part?.replace(PLACEHOLDER, (_, name: string) => form(Object.hasOwn(context, name) ? String(context[name]) : ''));
  return { text: fill(template.text, value => value), html: fill(template.html, escapeHtml) };
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character]!);
}
