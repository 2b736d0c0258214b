/**
 * How this folder calls msgpackr: packing into one buffer that is used again and again. msgpackr keeps
 * that buffer per thread, whichever Packr wrote it.
 */
import { type Packr, RESET_BUFFER_MODE } from 'msgpackr'

/** msgpackr's own first size. */
const bufferBytesMin = 8 * 2 ** 10
/** msgpackr grows its buffer to a multiple of what it packed; beyond this we do not let it keep it. */
const bufferBytesKept = 8 * 2 ** 20

/** More than one while a getter of a value stores another value. */
let packing = 0

/** The result is a view into msgpackr's buffer: valid until the next call in this thread. */
export function packTransient(packr: Packr, value: unknown): Uint8Array {
  packing++
  try {
    const packed = packr.pack(value, RESET_BUFFER_MODE)
    if (packing === 1 && packed.buffer.byteLength > bufferBytesKept) {
      packr.useBuffer(Buffer.allocUnsafeSlow(bufferBytesMin))
    }
    return packed
  } finally {
    packing--
  }
}
