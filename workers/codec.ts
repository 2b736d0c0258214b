/** Entrance of a codec thread: settles when the actor does. */
import { type CodecInit, hostCodec } from '../src/codec/service.ts'

export default (init: CodecInit): Promise<void> => hostCodec(init)
