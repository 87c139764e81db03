// A row for each kind of deliberate bug. `command` must pass on the code as it is, and on the mutant
// end with an error and say something that matches `says`: a mutant that dies of something else has
// not been caught by the test that is there for it.

// A bug that a program of the native code finds, or a script: the first word of its command is a
// target of CMakeLists.txt, or `node`.
export function mutant(patch, command, says) {
  const target = command[0] === 'node' ? 'millrace' : command[0]
  return { number: Number.parseInt(patch, 10), patch: `${patch}.patch`, target, command, says }
}

// Bugs that tests of vitest in `folder` find: of each the patch, the file of its test, and a part of
// the name of that test that nothing else there has.
export function vitestMutants(folder, rows) {
  return rows.map(([patch, file, title]) => {
    const path = `${folder}/${file}.test.ts`
    const command = ['node', 'node_modules/vitest/vitest.mjs', 'run', path, '-t', title]
    return mutant(patch, command, new RegExp(`FAIL .* > .*${title}`))
  })
}
