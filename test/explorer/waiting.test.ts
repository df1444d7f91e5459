import { describe, expect, it } from 'vitest'
import { borrower } from './borrower.ts'
import { coordinator } from './coordinator.ts'
import { faultOf } from './house.ts'

describe('claim, wait, offer, accept, release: every interleaving', () => {
  it('of two threads on one slot', () => {
    expect(faultOf({ slots: 1, coordinator: coordinator(1), threads: [borrower(), borrower()] })).toBeUndefined()
  })
})
