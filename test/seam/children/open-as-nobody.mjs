// Opens or verifies a log as a user that may not: node open-as-nobody.mjs <directory> openLog|verify.
// Prints the error's code.
import { openLog, verify } from './millrace.mjs'

const nobody = 65534
if (process.getuid() === 0) process.setuid(nobody)
const [, , dir, call] = process.argv
const outcome = await (call === 'verify' ? verify(dir) : openLog({ dir })).then(
  () => 'done',
  (error) => error.code,
)
process.stdout.write(outcome)
