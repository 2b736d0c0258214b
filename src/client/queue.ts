/** First in, first out. Taking one does not move those behind it, as `shift` of a long array does. */
export class Queue<T> {
  #items: (T | undefined)[] = []
  /** Those before it were taken. */
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head++
    // Not before half of it is empty, so that each is moved once on the average.
    if (this.#head * 2 >= this.#items.length) this.#compact()
    return item
  }

  /** All of them, oldest first. The queue is empty again. */
  drain(): T[] {
    this.#compact()
    const items = this.#items as T[]
    this.#items = []
    return items
  }

  #compact(): void {
    this.#items.copyWithin(0, this.#head)
    this.#items.length -= this.#head
    this.#head = 0
  }
}
