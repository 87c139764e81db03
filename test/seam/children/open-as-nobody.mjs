// Opens a log as a user that may not: node open-as-nobody.mjs <directory>. Prints the error's code.
import { openLog } from './millrace.mjs'

const nobody = 65534
if (process.getuid() === 0) process.setuid(nobody)
const outcome = await openLog({ dir: process.argv[2] }).then(
  () => 'opened',
  (error) => error.code,
)
process.stdout.write(outcome)
