/** The types of frames, and what reads one (frame.ts, change.ts). */
import type { WireRpc } from '../messages.ts'
import type { FieldReader } from './fields.ts'

/** Numbers on the wire: never reused, never renumbered within a wire version. */
export const codes = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendAccepted: 6,
  appendRejected: 7,
  heartbeat: 8,
  heartbeatReply: 9,
  readIndex: 10,
  readIndexReply: 11,
  forward: 12,
  changeAdd: 13,
  changeRemove: 14,
  changeAccepted: 15,
  changeRedirected: 16,
  changeBusy: 17,
  changeRefused: 18,
  snapshot: 19,
  snapshotReply: 20,
  timeoutNow: 21,
  timeoutNowDeclined: 22,
  transferVote: 23,
  forwardRefused: 24,
  changeTransfer: 25,
  changeRelieve: 26,
  changeAddLearner: 30,
  changeReplace: 31,
  changePlanned: 32,
  planAdd: 33,
  planAddLearner: 34,
  planRemove: 35,
  planReplace: 36,
  changeMove: 37,
  audit: 40,
  auditReply: 41,
  verdict: 42,
  stateWanted: 43,
} as const

export interface Reader {
  /** How many the frame must have. */
  readonly fields: number
  /** Takes them in the order in which they are encoded. */
  read(from: FieldReader): WireRpc
}
