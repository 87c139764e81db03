/** One thing that was looked at. */
export interface Check {
  readonly name: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly detail: string
  readonly hint?: string
}

export function ok(name: string, detail: string): Check {
  return { name, state: 'ok', detail }
}

export function warning(name: string, detail: string, hint: string): Check {
  return { name, state: 'warning', detail, hint }
}

export function failed(name: string, detail: string, hint: string): Check {
  return { name, state: 'failed', detail, hint }
}
