/** A list written as one text: fifty names fit into a few lines. */
export const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);
