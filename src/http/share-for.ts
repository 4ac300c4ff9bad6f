/** Many callers, one question: an answer, good or bad, is everybody's until `ms` after it came. */
export function shareFor<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => {
    if (answer) return answer;
    const asked = ask();
    answer = asked;
    const forget = (): void => {
      setTimeout(() => {
        answer = null;
      }, ms).unref();
    };
    asked.then(forget, forget);
    return asked;
  };
}
