// The load of X2, which a peer beside it has as well.

/** By the size of a load; times are in seconds, and those of warm-ups come before each part. */
export const soakLoads = {
  full: { rate: 50_000, subscribers: 10, partSeconds: 15, warmUpSeconds: 1 },
  quick: { rate: 20_000, subscribers: 10, partSeconds: 1, warmUpSeconds: 0.3 },
  tiny: { rate: 1000, subscribers: 2, partSeconds: 0.05, warmUpSeconds: 0 },
}

/** Each third of the time has a part at least. */
const partsMin = 3

/** A look takes some parts; a full run as many as its minutes have. */
export const soakParts = (load, minutes) =>
  load === 'full'
    ? Math.max(partsMin, Math.floor((minutes * 60) / soakLoads.full.partSeconds))
    : partsMin
