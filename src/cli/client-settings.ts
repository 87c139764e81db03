/** The settings of the commands that connect to a broker. */

/** Files that they may need for it. */
export const clientFileSettings = ['tlsCaFile', 'clientCertFile', 'clientKeyFile'] as const

/** Each such command takes them, and its help leaves them out. */
export const hiddenClientSettings: readonly string[] = [...clientFileSettings, 'insecurePlainToken']

export const clientSettings: readonly string[] = ['url', 'tokenFile', ...hiddenClientSettings]
