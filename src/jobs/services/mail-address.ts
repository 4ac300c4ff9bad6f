import { z } from 'zod';

const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/;

/**
 * A bare address in its plain form: no display name, quotes, comments, blanks or line breaks, at least two labels in the
 * domain, no domain literal. What it refuses may be legal in RFC 5322; what it accepts reads the same to every mail server.
 */
export function isMailAddress(text: string): boolean {
  const at = text.indexOf('@');
  if (at < 1 || at > 64 || text.length > 254) return false;
  const labels = text.slice(at + 1).split('.');
  return (
    LOCAL.test(text.slice(0, at)) &&
    labels.length >= 2 &&
    labels.every(label => label.length <= 63 && LABEL.test(label))
  );
}

export const mailAddressSchema = z
  .string()
  .max(254)
  .refine(isMailAddress, 'must be a plain mail address such as ann@example.com');

/** Text that becomes a header: one line. */
export function headerLine(maxLength: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'must be one line without control characters');
}
