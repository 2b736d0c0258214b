/** Opens images, one at a time: should one take this process down, it is known which one it was. */
import { type Campaign, Opener, type Order, type Unopened } from './opener.ts'

const [, , campaign = ''] = process.argv
const opener = new Opener(JSON.parse(campaign) as Campaign)

process.on('message', (order: Order) => {
  opener.open(order).then(
    (report) => process.send?.(report),
    ({ stack, message }: Error) => process.send?.({ failed: stack ?? message } satisfies Unopened),
  )
})
process.send?.('ready')
