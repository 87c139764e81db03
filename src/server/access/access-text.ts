/** The text of an access file, unparsed: for whoever checks it, or adds to it. */

import { readPrivateText } from '../../broker/private-file.ts'
import { accessFileBytesMax } from '../../limits.ts'

/** Rejects with a MillraceError, ACCESS_FILE_REFUSED. */
export const readAccessText = (path: string): Promise<string> =>
  readPrivateText(path, 'ACCESS_FILE_REFUSED', 'access file', accessFileBytesMax)
