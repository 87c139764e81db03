/** The settings of the commands that connect to a broker. */

/** Files that they may need for it: each such command takes them, and its help leaves them out. */
export const clientFileSettings = ['tlsCaFile', 'clientCertFile', 'clientKeyFile'] as const

export const clientSettings: readonly string[] = ['url', 'tokenFile', ...clientFileSettings]
