// Undoing, in reverse order, what a test has done to the machine: mounts, loop devices, child
// processes.

export class Cleanup {
  #steps = []

  // `undo` may be async, must be safe when its work has been done already, and should not throw.
  add(undo) {
    this.#steps.push(undo)
  }

  // Runs every step even when some fail; the first failure is thrown at the end, so that none goes
  // unseen.
  async run() {
    let failure = null
    while (this.#steps.length > 0) {
      try {
        await this.#steps.pop()()
      } catch (error) {
        failure ??= error
      }
    }
    if (failure !== null) throw failure
  }
}
