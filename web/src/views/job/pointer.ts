// Where in the text of a JSON document a value stands.

/** The range of the value at a JSON pointer, or of the innermost around it that is there. The text is JSON. */
export function placeOf(text: string, pointer: string): { from: number; to: number } {
  const wanted = pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const token = /\s*("(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+)/y;
  let [deepest, found] = [-1, { from: 0, to: text.length }];
  const next = () => {
    const read = token.exec(text)?.[1] ?? "";
    return { read, from: token.lastIndex - read.length };
  };
  // depth: how many parts of the pointer lead to this value; -1: they lead elsewhere
  const value = ({ read, from }: { read: string; from: number }, depth: number) => {
    if (read === "{" || read === "[") {
      let index = 0;
      for (let part = next(); !["}", "]", ""].includes(part.read); part = next()) {
        if (part.read === ",") continue;
        let key = String(index++);
        if (read === "{") {
          key = JSON.parse(part.read) as string;
          next(); // the colon
          part = next();
        }
        value(part, depth >= 0 && wanted[depth] === key ? depth + 1 : -1);
      }
    }
    if (depth > deepest) [deepest, found] = [depth, { from, to: token.lastIndex }];
  };
  value(next(), 0);
  return found;
}

/** The range of a line, from 1 up. */
export function placeOfLine(text: string, line: number): { from: number; to: number } {
  const lines = text.split("\n").slice(0, line);
  const last = lines.pop() ?? "";
  const from = lines.reduce((sum, { length }) => sum + length + 1, 0);
  return { from, to: from + last.length };
}

export const lineAt = (text: string, at: number): number => text.slice(0, at).split("\n").length;
