// Colours of the theme as numbers, and scales between them.
export type Colour = [number, number, number];

export function colourOf(style: CSSStyleDeclaration, name: string): Colour {
  const text = style.getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as Colour;
}

export const mixed = (a: Colour, b: Colour, share: number): Colour => a.map((from, k) => Math.round(from + (b[k]! - from) * share)) as Colour;
export const css = (colour: Colour) => `rgb(${colour.join(" ")})`;

/** The scale of numbers around 0: from -1 to 1. */
export function aroundZero(style: CSSStyleDeclaration): (share: number) => Colour {
  const [below, zero, above] = [colourOf(style, "--cell-below"), colourOf(style, "--cell-zero"), colourOf(style, "--cell-above")];
  return (share) => mixed(zero, share < 0 ? below : above, Math.min(Math.abs(share), 1));
}
