// Codes of closes (RFC 6455 7.4, and the registry of IANA).

// Those that may be in a close frame, from the RFC and from the registry.
export const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011]
export const LATER_CODES = [1012, 1013, 1014]
// Of libraries and of applications: the first and the last of each.
export const LIBRARY_CODES = [3000, 3999]
export const OWN_CODES = [4000, 4999]
// Those that may not, of each kind the ends.
export const WRONG_CODES = [
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535],
]
