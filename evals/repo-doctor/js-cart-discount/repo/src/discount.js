// Discounts by quantity, in whole percent.
export const STEPS = [
  { from: 100, percent: 15 },
  { from: 50, percent: 10 },
  { from: 10, percent: 5 },
];

export function percentFor(quantity) {
  for (const step of STEPS) {
    if (quantity > step.from) {
      return step.percent;
    }
  }
  return 0;
}

export function reduced(cents, percent) {
  if (percent < 0 || percent > 100) {
    throw new RangeError(`no such discount: ${percent} %`);
  }
  return Math.round((cents * (100 - percent)) / 100);
}
